"""Define a proposal: exact settings before and after, the cost of both, and the digest that an approval is bound to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agents.changes.request import ScalingRequest
from agents.digests import digest_of
from infra.cost.planning.model import Plan
from infra.scalable import SCALABLE
from infra.settings import ServiceOverride, Settings

LIFETIME = timedelta(hours=24)
"""How long after its creation a proposal or a job can be approved."""

Decision = Literal["accept", "scale_down_to_fit", "refuse"]

Key = tuple[str, ...]
"""A setting, such as `("volume_gb",)`, or a reservation, such as `("services", "postgres", "memory_mb")`."""

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


def changed_keys(before: Settings, after: Settings) -> list[Key]:
    """Return the settings that differ, with one key for each reservation of a service."""
    old, new = values(before), values(after)
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def values(settings: Settings) -> dict[Key, Any]:
    """Return the value of each setting. A reservation that the settings do not change has no entry."""
    found: dict[Key, Any] = {(name,): getattr(settings, name) for name in Settings.model_fields if name != "services"}
    for service, override in settings.services.items():
        for field, value in override.model_dump(exclude_none=True).items():
            found["services", service, field] = value
    return found


def with_values_of(settings: Settings, keys: Iterable[Key], source: Settings) -> Settings:
    """Return `settings` with the values that `source` has for `keys`."""
    none = ServiceOverride()
    services = dict(settings.services)
    update: dict[str, Any] = {}
    for name, *rest in keys:
        if rest:
            service, field = rest
            value = getattr(source.services.get(service, none), field)
            services[service] = services.get(service, none).model_copy(update={field: value})
        else:
            update[name] = getattr(source, name)
    if services != settings.services:
        update["services"] = {name: override for name, override in services.items() if override != none}
    return settings.model_copy(update=update)


def spelled(key: Key) -> str:
    """Return the key as `fds scale` spells it, such as `volumeGb` or `memory.postgres`."""
    if len(key) == 1:
        return to_camel(key[0])
    _, service, field = key
    (scale,) = (one for one in SCALABLE if one.per_service and one.name == field)
    return f"{scale.key.partition('.')[0]}.{service}"
