"""Plan an alternative when the provider refuses a server of the plan: its type is sold out or was withdrawn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.cost.planning import scaling
from infra.cost.planning.choice import AUTO
from infra.cost.planning.model import Alternative, Plan, Server
from infra.cost.planning_inputs import PlanningInputs, today
from infra.settings import Settings
from stack_runtime.errors import RefusedError, StackError

_SOLD_OUT = re.compile(r"\((resource_unavailable|placement_error)\b")
_WITHDRAWN = re.compile(
    r"\(invalid_server_type\b|server type\b.*\b(not found|deprecated|not sold|no longer be ordered)"
    r"|unsupported location for server type|field '(server_type|location)'|\b(server_type|location) => ",
    re.IGNORECASE,
)
"""Errors of the API or of the official plugin about a type or location that the API does not accept (any more)."""


def reason(errors: Sequence[str]) -> str:
    """Return why the API refused to create or resize a server, from the `errors` that it reported.

    Empty if the reason is neither its type nor its location.
    """
    if any(_SOLD_OUT.search(error) for error in errors):
        return "is sold out, although the price list offers it"
    if any(_WITHDRAWN.search(error) for error in errors):
        return "cannot be ordered any more, although the price list of the plan offers it"
    return ""


def refusal(settings: Settings, wanted: Server, project: Path, why: str) -> RefusedError:
    """Return the error for a refused server; its next command selects the result of `next_best`, if there is one.

    Args:
        why: the result of `reason`.
    """
    what = f"{wanted.type} in {wanted.location} {why}"
    advice = f"fds cost --stack {settings.stack} --explain"
    try:
        instead = next_best(settings, wanted, PlanningInputs.of(settings, today(), project=project, deploying=True))
    except StackError:
        instead = None  # without prices, the error only says why the server was refused
    if instead is not None:
        advice = instead.command(settings.stack)
    return RefusedError(what, where=f"stack {settings.stack}", next_command=advice)


def next_best(settings: Settings, exclude: Server, basis: PlanningInputs) -> Alternative | None:
    """Return settings with the cheapest other server at the location of the sold-out one (the volume cannot move).

    If the verdict of these settings is not `within`, they also get the first change, such as fewer profiles, that makes
    it `within`.

    Returns: settings that name the server type, because `auto` could choose the sold-out type, which the price list
        still offers; None if no settings have the verdict `within`.
    """
    known = basis.without(exclude.type, exclude.location)
    place = {} if settings.location == exclude.location else {"location": exclude.location}
    free = _plan(settings, {"serverType": AUTO, **place}, known)
    steps = [{}, *(idea.settings for idea in free.alternatives if "location" not in idea.settings)]
    for step in steps:
        found = _plan(settings, {**step, "serverType": AUTO, **place}, known).server
        if found is None:
            continue
        named = {**step, "serverType": found.type, **place}
        plan = _plan(settings, named, known)
        if plan.verdict == "within" and plan.total_usd is not None:
            text = f"{found.type} in {found.location}"
            return Alternative(describe=text, settings=named, total_usd=plan.total_usd, verdict="within")
    return None


def _plan(settings: Settings, pairs: Mapping[str, str], basis: PlanningInputs) -> Plan:
    """Return the plan that `fds scale` makes with these pairs of `KEY` and `VALUE`."""
    changes = scaling.parse([f"{key}={value}" for key, value in pairs.items()], settings)
    return basis.plan(scaling.changed(settings, changes))
