"""Define a proposal: exact settings before and after, the cost of both, and the digest that an approval is bound to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agents.changes.request import ScalingRequest
from agents.digests import digest_of
from infra.cost.planning.model import Plan
from infra.scalable import SCALABLE
from infra.settings import Settings

LIFETIME = timedelta(hours=24)
"""How long after its creation a proposal or a job can be approved."""

Decision = Literal["accept", "scale_down_to_fit", "refuse"]

CHANGEABLE = frozenset("services" if one.per_service else one.name for one in SCALABLE)
"""The only settings that a proposal may change. Budget, rate and tax are excluded: they decide the verdict."""


class Proposal(BaseModel):
    """A planned change, as shown to the person who approves it. Times are in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    stack: str
    person: str
    request: ScalingRequest
    decision: Decision
    before: Settings
    after: Settings
    plan_before: Plan
    plan_after: Plan
    reason: str
    """The decision in one paragraph, with the numbers; written by code, not by a language model."""
    created: datetime
    expires: datetime
    until: datetime | None = None
    """When a temporary change is reverted; None for a permanent change."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all fields, such as the settings, the prices, the total cost and `until`."""
        return digest_of(self)

    @property
    def history_fields(self) -> dict[str, Any]:
        """Return the fields that the history stores."""
        before, after = self.plan_before.total_usd, self.plan_after.total_usd
        return {"reason": self.request.reason, "edit": self.edit, "before_usd": before, "after_usd": after}

    @property
    def edit(self) -> dict[str, Any]:
        """Return the keys and values to write to the stack file, derived from the settings before and after."""
        return edit(self.before, self.after)


def edit(before: Settings, after: Settings) -> dict[str, Any]:
    """Return the keys and values that change a stack file from `before` to `after`, limited to `CHANGEABLE`."""
    values = after.model_dump(mode="json", by_alias=True, exclude_none=True)
    keys = (to_camel(name) for name in changed(before, after) if name in CHANGEABLE)
    return {key: values[key] for key in keys}


def changed(before: Settings, after: Settings) -> list[str]:
    """Return the names of the settings that differ."""
    return [name for name in Settings.model_fields if getattr(before, name) != getattr(after, name)]
