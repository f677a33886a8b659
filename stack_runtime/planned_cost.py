"""Write the planned cost of the last `fds up` into the runner's data folder, and read it.

`python -m stack_runtime.planned_cost JSON` writes `cost.json` for the dashboard and `cost.prom` for Prometheus. The
two files are not declared as files of a service: a service is replaced when one of its files changes, and the exchange
rate in these files changes on every working day.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from stack_runtime.errors import StackError, UnreachableError, UsageError
from stack_runtime.files import write_atomically
from stack_runtime.pipeline.paths import from_environment

FILE = "cost.json"
METRICS_FILE = "cost.prom"
VERDICTS = ("within", "over", "does_not_fit", "unknown")


@dataclass(frozen=True)
class Source:
    """Where the prices or the exchange rate come from, and their date, such as 2026-10-07."""

    date: str
    source: str


@dataclass(frozen=True)
class CostLine:
    """One item of the planned cost. If `by_the_hour`, it is billed only for the hours in which its server exists."""

    resource: str
    monthly_usd: Decimal | None
    by_the_hour: bool
    note: str = ""


@dataclass(frozen=True)
class PlannedCost:
    """The planned cost of a deployed stack, in US dollars a month.

    `total_usd` is None if the total is unknown. `tax` is `gross` or `net`.
    """

    stack: str
    verdict: str
    reason: str
    budget_usd: Decimal
    total_usd: Decimal | None
    tax: str
    paid: bool
    """Whether the stack is on a server, and not on the machine of the person who deployed it."""
    deployed_at: datetime
    server_created_at: datetime | None
    """Creation time of the rented server; None if there is no rented server or the time is unknown."""
    prices: Source | None
    rate: Source | None
    lines: tuple[CostLine, ...]

    def as_json(self) -> str:
        """Return the plan as JSON, with amounts and times as text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> PlannedCost:
        """Return the plan that `as_json` wrote.

        Raises:
            UsageError: `text` is not a plan in the form of `as_json`.
        """
        try:
            return cls(**_values(json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
            raise UsageError(f"this is not a plan: {type(error).__name__}", next_command="fds up") from None

    def metrics(self) -> str:
        """Return budget, total, verdict and deployment time in Prometheus' text format.

        The total is omitted if it is unknown, or if the verdict is `unknown`.
        """
        return "".join(self._metrics())

    def _metrics(self) -> Iterator[str]:
        usd = '{currency="USD"}'
        yield _gauge("budget", "Budget for a month.", {usd: self.budget_usd})
        if self.total_usd is not None and self.verdict != "unknown":
            yield _gauge("planned", "Planned cost of a month.", {usd: self.total_usd})
        verdicts = {f'{{verdict="{name}"}}': int(name == self.verdict) for name in VERDICTS}
        yield _gauge("verdict", "Whether the plan has this verdict.", verdicts)
        yield _gauge("deployed_timestamp_seconds", "When it was deployed.", {"": round(self.deployed_at.timestamp())})


def _gauge(name: str, text: str, values: Mapping[str, object]) -> str:
    """Return the text of one metric. `values` maps the labels of each series to its value."""
    head = f"# HELP fds_cost_{name} {text}\n# TYPE fds_cost_{name} gauge\n"
    return head + "".join(f"fds_cost_{name}{labels} {value}\n" for labels, value in values.items())


def _values(found: Any) -> dict[str, Any]:
    """Check the JSON of a plan and return its fields."""
    created = found["server_created_at"]
    values = {
        **{name: _text(found[name]) for name in ("stack", "verdict", "reason", "tax")},
        "paid": _flag(found["paid"]),
        "budget_usd": _money(found["budget_usd"]),
        "total_usd": _money_or_none(found["total_usd"]),
        "deployed_at": _moment(found["deployed_at"]),
        "server_created_at": None if created is None else _moment(created),
        **{name: _source(found[name]) for name in ("prices", "rate")},
        "lines": tuple(_line(line) for line in found["lines"]),
    }
    if values["verdict"] not in VERDICTS or found.keys() != {field.name for field in fields(PlannedCost)}:
        raise ValueError
    return values


def _line(found: Any) -> CostLine:
    usd = _money_or_none(found["monthly_usd"])
    return CostLine(_text(found["resource"]), usd, _flag(found["by_the_hour"]), _text(found["note"]))


def _source(found: Any) -> Source | None:
    return None if found is None else Source(_text(found["date"]), _text(found["source"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _money(value: Any) -> Decimal:
    amount = Decimal(_text(value))
    if not amount.is_finite() or not 0 <= amount < 10**9:
        raise ValueError
    return amount


def _money_or_none(value: Any) -> Decimal | None:
    return None if value is None else _money(value)


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def write(plan: PlannedCost, folder: Path) -> None:
    """Replace `cost.prom` and `cost.json` in `folder`.

    Raises:
        OSError: a file cannot be written.
    """
    write_atomically(folder / METRICS_FILE, plan.metrics())
    write_atomically(folder / FILE, plan.as_json())


def read(path: Path) -> PlannedCost | None:
    """Return the plan in the file at `path`; None if there is no file.

    Raises:
        UnreachableError: the file cannot be read, or does not contain a plan.
    """
    try:
        return PlannedCost.from_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeError, UsageError) as error:
        reason = error.what if isinstance(error, UsageError) else type(error).__name__
        raise UnreachableError(f"the plan cannot be read: {reason}", where=str(path), next_command="fds up") from None


def main(arguments: list[str]) -> int:
    """Write the plan whose JSON is the only argument; print an error as JSON. Returns: the exit code."""
    try:
        metrics = from_environment().metrics
        if len(arguments) != 1 or metrics is None:
            raise UsageError("this command needs the JSON of a plan, and the FDS_DATA_DIR of a runner")
        write(PlannedCost.from_json(arguments[0]), metrics.parent)
    except OSError as error:
        failure: StackError = UnreachableError(f"the plan cannot be saved: {error.strerror}", where=str(error.filename))
    except StackError as error:
        failure = error
    else:
        return 0
    print(json.dumps(failure.as_json()))
    return failure.exit_code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
