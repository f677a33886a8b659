"""A proposal: exact settings before and after, what both cost, and the digest that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agents.request import ScalingRequest
from infra.cost.planning.model import Plan
from infra.settings import Settings

LIFE = timedelta(hours=24)
"""How long a proposal or a job may wait for a person."""

Decision = Literal["accept", "scale_down_to_fit", "refuse"]

SCALABLE = ("backups", "location", "profiles", "schedule", "server_type", "services", "volume_gb", "workers")
"""The only settings that a proposal may change. The budget and what prices are judged by are not among them."""


class Proposal(BaseModel):
    """What a person sees and approves. Times in UTC."""

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
    """The decision in one paragraph, with the numbers; written by code."""
    created: datetime
    expires: datetime
    until: datetime | None = None
    """When a temporary change goes back."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything above: settings before and after, prices, total, end."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def told(self) -> dict[str, Any]:
        """What the history keeps of it."""
        before, after = self.plan_before.total_usd, self.plan_after.total_usd
        return {"reason": self.request.reason, "edit": self.edit, "before_usd": before, "after_usd": after}

    @property
    def edit(self) -> dict[str, Any]:
        """The lines of the stack file that change, from the settings themselves and not from anybody's words."""
        return edit(self.before, self.after)


def edit(before: Settings, after: Settings) -> dict[str, Any]:
    """What must be written to a stack file to get from `before` to `after`, for settings that may be scaled."""
    values = after.model_dump(mode="json", by_alias=True, exclude_none=True)
    keys = (to_camel(name) for name in changed(before, after) if name in SCALABLE)
    return {key: values[key] for key in keys}


def changed(before: Settings, after: Settings) -> list[str]:
    """Names of the settings that differ."""
    return [name for name in Settings.model_fields if getattr(before, name) != getattr(after, name)]
