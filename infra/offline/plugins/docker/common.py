"""What several docker resources share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.offline.plugins.fields import Field

LABEL_FIELDS = {"label": Field("string", required=True), "value": Field("string", required=True)}
LABELS = Field("set", LABEL_FIELDS, replace=True)


def to_labels(labels: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """The daemon's form of a `labels` input."""
    return {each["label"]: each["value"] for each in labels or ()}


def from_labels(labels: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The `labels` input of the daemon's form."""
    return [{"label": label, "value": value} for label, value in sorted((labels or {}).items())]
