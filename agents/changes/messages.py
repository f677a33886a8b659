"""Write the decision on a request as one paragraph. No language model is used: a model could distort numbers."""

from __future__ import annotations

from pydantic.alias_generators import to_camel

from agents.changes.proposal import Proposal, changed
from infra.cost.reports.text import money
from infra.settings import ServiceOverride, Settings

_OPENING = {
    "accept": "Accepted",
    "scale_down_to_fit": "Not as asked, but this fits the budget",
    "refuse": "Refused",
}


def paragraph(proposal: Proposal) -> str:
    """Return a paragraph with the decision, the changed settings, the cost against the budget, and the reason."""
    plan, current = proposal.plan_after, proposal.plan_before
    server = f" on {plan.server.type} in {plan.server.location}" if plan.server else ""
    end = f" until {proposal.until:%Y-%m-%d %H:%M} UTC, then back" if proposal.until else ""
    if end and current.server and plan.server and current.server.type != plan.server.type:
        end += f" to {current.server.type}"
    return (
        f"{_OPENING[proposal.decision]}: {differences(proposal.before, proposal.after)}{end}. "
        f"Stack {proposal.stack} would cost {money(plan.total_usd)} of {money(plan.budget_usd)} a month{server}, "
        f"now {money(current.total_usd)}: {plan.reason}."
    )


def differences(before: Settings, after: Settings) -> str:
    """Return the changed settings, such as `volumeGb 10 → 50, backups False → True`."""
    return ", ".join(
        f"{to_camel(name)} {_format(getattr(before, name))} → {_format(getattr(after, name))}"
        for name in changed(before, after)
    )


def _format(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format_override(override)}" for name, override in sorted(value.items())) or "none"
    return str(value)


def _format_override(override: ServiceOverride) -> str:
    memory = [] if override.memory_mb is None else [f"{override.memory_mb} MiB"]
    cores = [] if override.cpu is None else [f"{override.cpu:g} cores"]
    return " ".join(memory + cores) or "default"
