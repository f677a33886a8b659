"""What several docker resources share."""

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
    """The daemon's form of a `labels` input."""
    return {each["label"]: each["value"] for each in labels or ()}


def from_labels(labels: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The `labels` input of the daemon's form."""
    return [{"label": label, "value": value} for label, value in sorted((labels or {}).items())]


def remove_when_unused(remove: Callable[[], None], in_use: str) -> None:
    """Call `remove` until no container uses the thing any more, for at most 30 s; one that is gone is fine.

    Args:
        in_use: what the daemon says while it is used.
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
