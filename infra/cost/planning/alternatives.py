"""Find cheaper settings: plan several changes, such as fewer profiles, and suggest those whose verdict is `within`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.cost.planning.choice import AUTO
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.model import Alternative, Plan
from infra.hosts import host_of
from infra.scalable import SCALABLE
from infra.services import Service, adapted, catalogue
from infra.settings import Settings

MOST = 8
LEAST_VOLUME_GB = 10


@dataclass(frozen=True)
class _Idea:
    """One change of the settings.

    Args:
        loss: rank of what the user gives up; the suggestions with the lowest rank come first.
        update: new values of settings, by the name of the field.
    """

    loss: int
    describe: str
    update: Mapping[str, Any]
    services: Sequence[Service]

    @property
    def settings(self) -> dict[str, str]:
        """The change as arguments of `fds scale`."""
        named = {one.name: one for one in SCALABLE if not one.per_service}
        return {named[name].key: named[name].format(value) for name, value in self.update.items()}


def alternatives(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> tuple[Alternative, ...]:
    """Return at most `MOST` changes whose plan is within the budget: smallest loss first, then lowest cost."""
    found = []
    host = host_of(settings)
    for idea in _ideas(settings, services, inputs):
        changed = settings.model_copy(update=dict(idea.update))
        if any(getattr(changed, name) != getattr(settings, name) for name in host.unused_settings):
            continue
        planned = host.plan(changed, idea.services, inputs)
        if _is_refused(planned, inputs):
            continue
        if planned.verdict == "within" and planned.total_usd is not None:
            offer = Alternative(
                describe=idea.describe, settings=idea.settings, total_usd=planned.total_usd, verdict="within"
            )
            found.append((idea.loss, planned.total_usd, idea.describe, offer))
    found.sort(key=lambda entry: entry[:3])
    return _without_needless([entry[3] for entry in found])[:MOST]


def _is_refused(planned: Plan, inputs: RentalInputs) -> bool:
    """Return whether `scaling.refuse_harm` would refuse the planned server."""
    server, deployed = planned.server, inputs.deployed
    if server is None or deployed is None:
        return False
    return bool(deployed.obstacles(server.type, server.location, server.architecture, server.disk_gb))


def _without_needless(ranked: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Leave out each change that contains all settings of a change before it in `ranked`, but is not cheaper."""
    kept: list[Alternative] = []
    for idea in ranked:
        if not any(earlier.settings.items() <= idea.settings.items() and
                   earlier.total_usd <= idea.total_usd for earlier in kept):  # fmt: skip
            kept.append(idea)
    return tuple(kept)


def _ideas(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Iterator[_Idea]:
    """Yield first changes of one kind, such as fewer workers, then changes of several kinds at once."""
    placed = inputs.deployed is not None and bool(inputs.deployed.place)
    singles = [
        *_elsewhere(settings, services, placed=placed),
        *_without_backups(settings, services),
        *_smaller_volume(settings, services, inputs),
        *_fewer_workers(settings, services),
        *_without_profiles(settings, services),
    ]
    yield from singles
    yield from _combined(settings, services, placed=placed)


def _elsewhere(settings: Settings, services: Sequence[Service], *, placed: bool) -> Iterator[_Idea]:
    """Suggest the cheapest server type, and the cheapest location unless the stack is already `placed` in a location.

    A deployed server or volume cannot move to another location.
    """
    cheapest, anywhere = {"server_type": AUTO}, {"location": AUTO}
    if settings.server_type != AUTO:
        yield _Idea(0, "the cheapest type that fits", cheapest, services)
    if placed:
        return
    if settings.location != AUTO:
        yield _Idea(1, "the cheapest location", anywhere, services)
    if settings.server_type != AUTO and settings.location != AUTO:
        yield _Idea(1, "the cheapest type that fits, anywhere", cheapest | anywhere, services)


def _without_backups(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    if settings.backups:
        yield _Idea(2, "without the provider's backups", {"backups": False}, services)


def _smaller_volume(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Iterator[_Idea]:
    """Suggest a smaller volume only if the current volume is known, because an existing volume cannot shrink."""
    if inputs.deployed is None:
        return
    least = max(LEAST_VOLUME_GB, inputs.deployed.volume_gb)
    for gb in sorted({least, (least + settings.volume_gb) // 2}):
        if gb < settings.volume_gb:
            yield _Idea(3, f"a data volume of {gb} GB", {"volume_gb": gb}, services)


def _fewer_workers(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    for workers in sorted({1, settings.workers // 2, settings.workers - 1}):
        if 1 <= workers < settings.workers:
            yield _Idea(4, _workers(workers), {"workers": workers}, services)


def _workers(count: int) -> str:
    return "with 1 worker" if count == 1 else f"with {count} workers"


def _without_profiles(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    # Skip profiles that are not selected: their services run only because a service of a selected profile needs them.
    present = sorted({service.profile for service in services if settings.has(service.profile)} - {"lean"})
    for left_out in present:
        kept = tuple(sorted({"lean", *present} - {left_out}))
        text = "the lean profile alone" if len(present) == 1 else f"without profile {left_out}"
        yield from _with_profiles(_Idea(5, text, {}, services), kept, settings)
    if len(present) > 1:
        yield from _with_profiles(_Idea(6, "the lean profile alone", {}, services), ("lean",), settings)


def _with_profiles(idea: _Idea, kept: tuple[str, ...], settings: Settings) -> Iterator[_Idea]:
    """Yield `idea` with only the profiles `kept`; nothing if a service of these profiles needs a removed service."""
    left = [service for service in idea.services if service.profile in kept]
    removed = {service.name for service in idea.services} - {service.name for service in left}
    update = {**idea.update, "profiles": kept}
    changed = settings.model_copy(update=update)
    left = [service for service in left if service.wanted(changed)]
    if not any(need in removed for service in left for need in service.needs):
        # Add services of kept profiles that have not run so far because a removed service replaced them.
        left += [
            adapted(each, changed)
            for each in catalogue()
            if each.profile in kept and each.wanted(changed) and not each.wanted(settings)
        ]
        yield replace(idea, update=update, services=left)


def _combined(settings: Settings, services: Sequence[Service], *, placed: bool) -> Iterator[_Idea]:
    """Yield combined changes, because a single one may not be enough: the cheapest server without backups and with one
    worker, then the same with the lean profile alone."""
    update = {"server_type": AUTO, **({} if placed else {"location": AUTO}), "backups": False, "workers": 1}
    text = f"cheapest type{'' if placed else ' anywhere'}, no backups, one worker"
    if settings.model_copy(update=update) != settings:
        yield _Idea(7, text, update, services)
    everything = _Idea(8, f"{text}, lean profile", update, services)
    for idea in _with_profiles(everything, ("lean",), settings):
        if len(idea.services) < len(services):
            yield idea
