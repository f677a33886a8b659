"""Compare two plans: the monthly difference of each line, and the one-time costs."""

from __future__ import annotations

from decimal import Decimal

from infra.cost.planning.lines import up
from infra.cost.planning.model import Change, Line, Plan

DAYS_TO_CAP = 26
"""The monthly cap is reached after 624 hours (26 days), so a day costs at most a 26th of the cap."""


def diff(before: Plan, after: Plan) -> Plan:
    """Return `after` with its `changes` against `before`, and with warnings about the transition.

    If the total of a plan is unknown, only a warning about this is added.
    """
    if before.total_usd is None or after.total_usd is None:
        return after.model_copy(update={"warnings": (*after.warnings, "the change has no price: a total is unknown")})
    changes = (*_monthly(before, after), *_once(before, after))
    warnings = (*after.warnings, *_transition_warnings(before, after))
    return after.model_copy(update={"changes": changes, "warnings": warnings})


def _monthly(before: Plan, after: Plan) -> list[Change]:
    old, new = _by_slot(before), _by_slot(after)
    found = []
    for slot in dict.fromkeys((*old, *new)):
        was, will = _usd(old.get(slot)), _usd(new.get(slot))
        line = new.get(slot) or old[slot]
        if was != will or (slot in old and slot in new and old[slot].resource != new[slot].resource):
            note = f"was {old[slot].resource}" if slot in old and old[slot].resource != line.resource else ""
            found.append(
                Change(resource=line.resource, before_usd=was, after_usd=will, added_usd=will - was, note=note)
            )
    return found


def _by_slot(plan: Plan) -> dict[str, Line]:
    """Return the lines by name, so that each can be compared with the same line of another plan.

    For the server and its IPv4 address, the name omits type and location, because these may differ between the plans.
    """
    slots = {}
    for line in plan.lines:
        named_for = next((slot for slot in ("server ", "IPv4 address ") if line.resource.startswith(slot)), "")
        slots[named_for or line.resource] = line
    return slots


def _usd(line: Line | None) -> Decimal:
    return Decimal("0.00") if line is None or line.monthly_usd is None else line.monthly_usd


def _once(before: Plan, after: Plan) -> list[Change]:
    """Return the cost of the old server for one day if it is replaced, because both servers exist for a while."""
    if not _replaced(before, after):
        return []
    old, new = _by_slot(before), _by_slot(after)
    month = sum((_usd(old.get(slot)) for slot in ("server ", "IPv4 address ")), Decimal(0))
    cost = up(month / DAYS_TO_CAP)
    name = new["server "].resource
    note = "both servers are billed for one day"
    zero = Decimal("0.00")
    return [
        Change(resource=f"replacement by {name}", before_usd=zero, after_usd=cost, added_usd=cost, once=True, note=note)
    ]


def _replaced(before: Plan, after: Plan) -> bool:
    """Return whether a new server replaces the old server.

    If location and architecture stay the same, the old server is resized instead.
    """
    old, new = before.server, after.server
    return bool(old and new and (old.location, old.architecture) != (new.location, new.architecture))


def _transition_warnings(before: Plan, after: Plan) -> list[str]:
    said = []
    old, new = before.server, after.server
    if old and new and old.type != new.type:
        said.append("another server type is billed at today's price; a lower price of the existing server is lost")
        if not _replaced(before, after):
            said.append("the server restarts; its disk keeps its size, because a larger disk could never shrink again")
    was, will = before.capacity.volume_gb.available, after.capacity.volume_gb.available
    if was is not None and will is not None and will > was:
        said.append("a volume cannot be made smaller again")
    return said
