"""Write the sentences of a plan: the reason of its verdict, and its warnings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from infra.cost.planning import group
from infra.cost.planning.capacity import Demand
from infra.cost.planning.choice import Candidate
from infra.cost.planning.inputs import PRICES_DAYS, RATE_DAYS, STATED_DAYS, RentalInputs
from infra.cost.planning.model import Fx, Verdict
from infra.hosts import host_of
from infra.settings import ServerPrice, Settings

PROMISE = Decimal(50)
"""Default budget of a stack, in dollars per month."""
CLOSE = Decimal("0.9")
"""The plan warns when its total is within the budget, but at least this share of it."""
_USUAL_RATE = (Decimal("0.9"), Decimal("1.4"))
_PUBLIC_NAME = ("email", "dns_zone", "certificates", "certificate_challenge", "certificate_root")
"""Settings that need the setting `domain`."""
_NEW_SERVER = ("server_image", "registry_mirror")
"""Settings that take effect only when the server is created."""


def reason_of(verdict: Verdict, total: Decimal | None, budget: Decimal, doubts: Sequence[str], lacking: str) -> str:
    """Return the reason of a verdict in one sentence."""
    if verdict == "unknown" or total is None:
        return "; ".join(doubts) or "the total cannot be computed without an exchange rate"
    if verdict == "over":
        return f"${total:.2f} a month is ${total - budget:.2f} over the budget of ${budget:.2f}"
    if verdict == "within":
        return f"${total:.2f} a month, ${budget - total:.2f} below the budget of ${budget:.2f}"
    return lacking


def lack_of(best: Candidate, *, auto: bool) -> str:
    """Return why the server `best` cannot be used: the services do not fit on it, or it cannot be ordered.

    Args:
        auto: whether all server types were compared, so that no other server fits either.
    """
    name = f"{best.kind.name} in {best.location}"
    if not best.reachable:
        return f"{name} cannot replace the existing server or use its volume, and the settings allow no other server"
    if best.problems:
        lacks = "; ".join(best.problems)
        return f"no server that the stack can get fits, not even {name}: {lacks}" if auto else f"{name}: {lacks}"
    return f"{name} {_why_not(best)}"


def _why_not(candidate: Candidate) -> str:
    withdrawn = candidate.offer.withdrawn_on
    return f"was withdrawn on {withdrawn}" if withdrawn and candidate.offer.available else "is sold out"


def local_warnings(settings: Settings, needs: Demand) -> tuple[str, ...]:
    """Return warnings about the settings of a local stack."""
    return (*raised(settings.budget_usd), *_unused(settings), *_about_services(settings, needs))


def warnings_of(
    settings: Settings,
    needs: Demand,
    inputs: RentalInputs,
    best: Candidate | None,
    found: Sequence[Candidate],
    total: Decimal | None,
    budget: Decimal,
) -> tuple[str, ...]:
    """Return warnings about a plan for a rented server."""
    return (
        *_about_budget(settings, inputs, total, budget),
        *group.warnings(settings, inputs),
        *_about_inputs(inputs),
        *(_about_server(best, found, inputs) if best else ()),
        *_about_settings(settings, inputs),
        *_about_services(settings, needs),
    )


def owned_warnings(
    settings: Settings, needs: Demand, inputs: RentalInputs, total: Decimal | None, budget: Decimal
) -> tuple[str, ...]:
    """Return warnings about a plan for a server that the user already has."""
    return (
        *_about_budget(settings, inputs, total, budget),
        *group.warnings(settings, inputs),
        *_about_inputs(inputs),
        *_about_price(settings.server_price, inputs),
        *_about_settings(settings, inputs),
        *_about_services(settings, needs),
    )


def raised(budget: Decimal) -> list[str]:
    """Return a warning when the budget is above `PROMISE`; every report shows this warning."""
    return [f"budget raised to ${budget:.2f} by setting budgetUsd"] if budget > PROMISE else []


def below_known(rate: Fx | None) -> list[str]:
    """Return a warning if the rate of the settings is far below the last known one; every report shows this warning."""
    return [f"the exchange rate of {rate.rate} in the settings is {rate.note}"] if rate and rate.note else []


def _about_budget(settings: Settings, inputs: RentalInputs, total: Decimal | None, budget: Decimal) -> list[str]:
    said = raised(budget)
    if any(other.budget_usd != settings.budget_usd for other in inputs.others):
        said.append(f"the stacks of budget group {settings.budget_group} state different budgets, the smallest counts")
    if total is not None and CLOSE * budget <= total <= budget:
        said.append(f"${budget - total:.2f} are left: a small rise in prices or in the euro takes this over budget")
    return said


def _about_inputs(inputs: RentalInputs) -> list[str]:
    said = []
    prices = inputs.prices
    if prices is not None and (days := (inputs.today - prices.date).days) > PRICES_DAYS:
        said.append(f"planned on prices of {prices.date}, {days} days old: today's may differ")
    if inputs.rate is not None:
        days = (inputs.today - inputs.rate.date).days
        if days > RATE_DAYS:
            said.append(f"planned on an exchange rate of {inputs.rate.date}, {days} days old: today's may differ")
        if not _USUAL_RATE[0] <= inputs.rate.rate <= _USUAL_RATE[1]:
            said.append(f"an exchange rate of {inputs.rate.rate} is unusual, check it")
        said += below_known(inputs.rate)
    return [*said, *(prices.warnings if prices else ())]


def _about_price(price: ServerPrice | None, inputs: RentalInputs) -> list[str]:
    said = ["what else runs on the server is not counted: all of its memory, CPU and disk counts as free"]
    if price and (days := (inputs.today - price.date).days) > STATED_DAYS:
        said.append(f"planned on a serverPrice of {price.date}, {days} days old: look it up again")
    return said


def _about_server(best: Candidate, found: Sequence[Candidate], inputs: RentalInputs) -> list[str]:
    said = []
    disk_gb = inputs.deployed.disk_gb if inputs.deployed else 0
    if 0 < disk_gb < best.kind.disk_gb:
        said.append(
            f"the existing server keeps its disk of {disk_gb} GB, a new {best.kind.name} has {best.kind.disk_gb} GB"
        )
    if best.runs and not best.orderable:
        said.append(f"{best.kind.name} {_why_not(best)}: keep the server, a new one of its type cannot be ordered")
    if best.runs and found[0].usable and found[0].cost < best.cost:
        said.append(f"{found[0].kind.name} in {found[0].location} would cost less than the running server")
    cheaper = [c for c in found if not c.orderable and not c.problems and c.cost < best.cost and c.reachable]
    if best.usable and cheaper:
        names = ", ".join(dict.fromkeys(c.kind.name for c in cheaper))
        said.append(f"cheaper types that would fit cannot be ordered now: {names}")
    if best.offer.withdrawn_on and best.orderable:
        said.append(f"{best.kind.name} cannot be ordered from {best.offer.withdrawn_on} on")
    return said


def _about_settings(settings: Settings, inputs: RentalInputs) -> list[str]:
    """Return warnings about settings that do nothing or less than expected, or that open SSH to every address."""
    said = []
    rented = host_of(settings).makes_machine
    if rented and _open_to_all(settings.ssh_from):
        said.append("port 22 is open to every address; the setting sshFrom restricts it")
    if rented and settings.backups:
        said.append("backups copies only the server's own disk, not the data volume, which holds all data")
    if rented and settings.snapshot_gb:
        said.append("snapshotGb is priced, but nothing makes snapshots yet")
    if settings.offsite_gb:
        said.append("offsiteGb is priced, but nothing makes off-site copies yet")
    elif settings.offsite_eur_per_gb is not None:
        said.append("offsiteEurPerGb does nothing while offsiteGb is 0")
    if not rented and settings.registry_mirror:
        said.append("registryMirror does nothing if Docker is already installed on the server")
    said += _unused(settings)
    if settings.domain == "localhost" and (unused := _named(settings, _PUBLIC_NAME)):
        said.append(f"without the setting domain, these settings do nothing: {unused}")
    may_exist = rented and (inputs.deployed is None or inputs.deployed.server_type)
    if may_exist and (unused := _named(settings, _NEW_SERVER)):
        said.append(f"an existing server is not changed by these settings, only a new one uses them: {unused}")
    return said


def _unused(settings: Settings) -> list[str]:
    """Return a warning that names the settings which differ from their default, but have no effect on this host."""
    host = host_of(settings)
    unused = _named(settings, host.unused_settings)
    return [f"{host.where} these settings do nothing: {unused}"] if unused else []


def _about_services(settings: Settings, needs: Demand) -> list[str]:
    """Return warnings about settings of single services or profiles that have no effect on this stack."""
    said = []
    if settings.workers > 1 and all(need.replicas == 1 for need in needs.services):
        said.append(f"workers of {settings.workers} does nothing: no service of this stack runs as workers")
    running = {need.name for need in needs.services}
    if settings.executor == "celery" and not settings.has("orchestration"):
        said.append("executor of celery does nothing: it needs the profile orchestration")
    notifies = settings.has("monitoring") or settings.has("orchestration")
    if not notifies and settings.notify != Settings.model_fields["notify"].default:
        said.append("notify does nothing: it needs the profile monitoring or orchestration")
    for name, override in settings.services.items():
        if name not in running:
            said.append(f"services.{name} does nothing: no profile of this stack runs {name}")
        elif override.memory_mb is None and override.cpu is None:
            said.append(f"services.{name} does nothing: it names neither memoryMb nor cpu")
    return said


def _named(settings: Settings, names: Sequence[str]) -> str:
    """Return the stack-file keys of those settings in `names` that differ from their default, separated by commas."""
    fields = Settings.model_fields
    return ", ".join(str(fields[name].alias) for name in names if getattr(settings, name) != fields[name].default)


def _open_to_all(networks: Sequence[str]) -> bool:
    """Return whether these networks together cover every IPv4 or every IPv6 address; no network means all addresses."""
    parsed = [ip_network(network) for network in networks]
    v4 = list(collapse_addresses(one for one in parsed if isinstance(one, IPv4Network)))
    v6 = list(collapse_addresses(one for one in parsed if isinstance(one, IPv6Network)))
    return not parsed or IPv4Network("0.0.0.0/0") in v4 or IPv6Network("::/0") in v6
