"""Provide functions that several resources of the Docker provider share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docker.errors import APIError, NotFound

from fds_offline.plugins.fields import Field

REMOVE_SECONDS = 30

LABEL_FIELDS = {"label": Field("string", required=True), "value": Field("string", required=True)}
LABELS = Field("set", LABEL_FIELDS, replace=True)


def to_labels(labels: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Convert a `labels` input, which is a list, to the mapping that the daemon uses."""
    return {each["label"]: each["value"] for each in labels or ()}


def from_labels(labels: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """Convert the daemon's mapping of labels to a `labels` input, which is a list."""
    return [{"label": label, "value": value} for label, value in sorted((labels or {}).items())]


def remove_when_unused(remove: Callable[[], None], in_use: str) -> None:
    """Call `remove` until no container uses the resource any more, for at most 30 s; ignore a missing resource.

    Args:
        in_use: text in the daemon's error while the resource is used.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            return remove()
        except NotFound:
            return
        except APIError as error:
            if in_use not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
