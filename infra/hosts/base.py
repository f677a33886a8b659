"""Where containers go: each host yields a Docker provider, and what the end of its containers depends on."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True)
class Host:
    """A Docker daemon that containers can be put on.

    `gone_with` is the machine below it: once that is destroyed, nothing on it needs to be removed one by one.
    """

    provider: docker.Provider
    gone_with: pulumi.Resource | None = None
    address: pulumi.Output[str] | None = None
