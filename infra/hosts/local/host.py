"""Implement the host `local`: the Docker daemon of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.hosts.base import DockerTarget, Host, TargetInputs
from infra.settings import Settings
from stack_runtime.docker_endpoint import Endpoint, local_endpoint

if TYPE_CHECKING:
    import pulumi
    import pulumi_docker as docker

    from infra.cost.planning.inputs import RentalInputs
    from infra.cost.planning.model import Plan
    from infra.services import Service


class LocalHost(Host):
    """This machine with the Docker daemon that the `docker` command uses; see `stack_runtime.docker_endpoint`."""

    name = "local"
    where = "on this machine"
    on_this_machine = True
    bind_address = "127.0.0.1"
    unused_settings = (
        "budget_group", "tax", "fx_rate", "fx_date", "allow_snapshot", "server_type", "location", "backups",
        "volume_gb", "snapshot_gb", "offsite_gb", "offsite_eur_per_gb", "traffic_tb", "email", "ssh_from", "dns_zone",
        "server_image", "certificates", "certificate_challenge", "certificate_root", "registry_mirror", "ssh_host",
        "ssh_port", "ssh_user", "server_price",
    )  # fmt: skip

    def ports(self, settings: Settings) -> tuple[int, int]:
        """Return the settings `httpPort` and `httpsPort`.

        The ports are not fixed at 80 and 443, because a rootless daemon cannot publish these by default.
        """
        return settings.http_port, settings.https_port

    def plan(self, settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Plan:
        from infra.cost.planning.planner import plan_local

        return plan_local(settings, services, inputs)

    def target(self, inputs: TargetInputs) -> DockerTarget:
        return DockerTarget(docker_provider(inputs.settings.stack, inputs.options))

    def holds(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        from infra.engine.state_edits import CONTAINER

        return any(item["type"] == CONTAINER for item in resources)

    @contextmanager
    def docker_endpoint(self, settings: Settings, keys: Path) -> Iterator[Endpoint]:
        yield local_endpoint()

    def docker_name(self, settings: Settings) -> str:
        return "this machine's Docker"

    def preflight(self, settings: Settings, project: Path) -> str:
        from infra.hosts.local.preflight import check

        check(settings, project)
        return "images are available; ports are free or used by the stack"


def docker_provider(stack: str, options: pulumi.ResourceOptions) -> docker.Provider:
    """Return a provider for the Docker daemon of this machine's user.

    `context` and `cert_path` are always given: otherwise the variables `DOCKER_CONTEXT` and `DOCKER_CERT_PATH` would
    override `host`.
    """
    import pulumi_docker as docker

    found = local_endpoint()
    return docker.Provider(
        f"{stack}-docker", host=found.address, context="", cert_path=found.certificates, opts=options
    )
