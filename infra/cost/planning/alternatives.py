"""Find cheaper settings. Each is planned, and suggested only if it is within the budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.cost.planning.choice import AUTO
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.model import Alternative
from infra.cost.planning.planner import plan_server
from infra.services import Service
from infra.settings import Settings

MOST = 8
LEAST_VOLUME_GB = 10


@dataclass(frozen=True)
class _Idea:
    """One change of the settings. `loss`: how much the user gives up; the list is sorted by it."""

    loss: int
    describe: str
    settings: dict[str, str]
    changed: Settings
    services: Sequence[Service]


def alternatives(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> tuple[Alternative, ...]:
    """Return the best changes within the budget: smallest loss first, then cheapest."""
    found = []
    for idea in _ideas(settings, services, inputs):
        planned = plan_server(idea.changed, idea.services, inputs)
        if planned.verdict == "within" and planned.total_usd is not None:
            offer = Alternative(
                describe=idea.describe, settings=idea.settings, total_usd=planned.total_usd, verdict="within"
            )
            found.append((idea.loss, planned.total_usd, idea.describe, offer))
    found.sort(key=lambda entry: entry[:3])
    return _without_needless([entry[3] for entry in found])[:MOST]


def _without_needless(ranked: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Leave out changes that contain an earlier one and do not cost less."""
    kept: list[Alternative] = []
    for idea in ranked:
        if not any(earlier.settings.items() <= idea.settings.items() and
                   earlier.total_usd <= idea.total_usd for earlier in kept):  # fmt: skip
            kept.append(idea)
    return tuple(kept)


def _ideas(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Iterator[_Idea]:
    """Yield single changes first, then combinations."""
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
    """Suggest another location only when nothing is deployed, because a server and its volume cannot move."""
    if settings.server_type != AUTO:
        changed = settings.model_copy(update={"server_type": AUTO})
        yield _Idea(0, "the cheapest type that fits", {"serverType": AUTO}, changed, services)
    if placed:
        return
    if settings.location != AUTO:
        changed = settings.model_copy(update={"location": AUTO})
        yield _Idea(1, "the cheapest location", {"location": AUTO}, changed, services)
    if settings.server_type != AUTO and settings.location != AUTO:
        changed = settings.model_copy(update={"server_type": AUTO, "location": AUTO})
        text = "the cheapest type that fits, anywhere"
        yield _Idea(1, text, {"serverType": AUTO, "location": AUTO}, changed, services)


def _without_backups(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    if settings.backups:
        changed = settings.model_copy(update={"backups": False})
        yield _Idea(2, "without the provider's backups", {"backups": "false"}, changed, services)


def _smaller_volume(settings: Settings, services: Sequence[Service], inputs: RentalInputs) -> Iterator[_Idea]:
    """Suggest a smaller volume only if the current volume is known, because an existing one cannot shrink."""
    if inputs.deployed is None:
        return
    least = max(LEAST_VOLUME_GB, inputs.deployed.volume_gb)
    for gb in sorted({least, (least + settings.volume_gb) // 2}):
        if gb < settings.volume_gb:
            changed = settings.model_copy(update={"volume_gb": gb})
            yield _Idea(3, f"a data volume of {gb} GB", {"volumeGb": str(gb)}, changed, services)


def _fewer_workers(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    for workers in sorted({1, settings.workers // 2, settings.workers - 1}):
        if 1 <= workers < settings.workers:
            changed = settings.model_copy(update={"workers": workers})
            yield _Idea(4, _workers(workers), {"workers": str(workers)}, changed, services)


def _workers(count: int) -> str:
    return "with 1 worker" if count == 1 else f"with {count} workers"


def _without_profiles(settings: Settings, services: Sequence[Service]) -> Iterator[_Idea]:
    present = sorted({service.profile for service in services} - {"lean"})
    for left_out in present:
        kept = tuple(sorted({"lean", *present} - {left_out}))
        text = "the lean profile alone" if len(present) == 1 else f"without profile {left_out}"
        yield from _with_profiles(5, text, kept, settings, services)
    if len(present) > 1:
        yield from _with_profiles(6, "the lean profile alone", ("lean",), settings, services)


def _with_profiles(
    loss: int, text: str, kept: tuple[str, ...], settings: Settings, services: Sequence[Service]
) -> Iterator[_Idea]:
    """Suggest these profiles unless a remaining service needs a removed one."""
    left = tuple(service for service in services if service.profile in kept)
    names = {service.name for service in left}
    if all(need in names for service in left for need in service.needs):
        changed = settings.model_copy(update={"profiles": kept})
        yield _Idea(loss, text, {"profiles": ",".join(kept)}, changed, left)


def _combined(settings: Settings, services: Sequence[Service], *, placed: bool) -> Iterator[_Idea]:
    """Combine all reductions, for when no single one is enough."""
    anywhere = {} if placed else {"location": AUTO}
    update: dict[str, object] = {"server_type": AUTO, **anywhere, "backups": False, "workers": 1}
    change = {"serverType": AUTO, **anywhere, "backups": "false", "workers": "1"}
    changed = settings.model_copy(update=update)
    if changed != settings:
        yield _Idea(
            7, f"cheapest type{'' if placed else ' anywhere'}, no backups, one worker", change, changed, services
        )
    for idea in _with_profiles(8, "all of this and the lean profile alone", ("lean",), changed, services):
        if len(idea.services) < len(services):
            yield _Idea(8, idea.describe, {**change, **idea.settings}, idea.changed, idea.services)
