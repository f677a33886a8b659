"""Generate realistic freelancer transactions; equal arguments give equal bytes on every machine.

    python -m data_stack.samples.generate --rows 3000 --seed 7 --output transactions.csv

A positive amount is income, a negative amount is a cost or a refund. As in real exports, there are several
currencies, late rows (dated weeks before the rows around them), duplicate rows, corrected rows with the same id, and
descriptions with commas, quotes, line breaks, and letters such as ü, ę and 研. Without `--clean`, one in every
`MALFORMED_EVERY` records is malformed, so the number of rows that a loader must quarantine is known.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TextIO, TypeVar

HEADER = ("id", "date", "customer_id", "amount", "currency", "category", "description")
MALFORMED_EVERY = 375

_FIRST_DAY = date(2024, 10, 1)
_DAYS = 730
_FIRST_ID = 100_001
_CUSTOMERS = 48
_HOME_CURRENCIES = ("EUR", "EUR", "EUR", "EUR", "USD", "USD", "GBP", "CHF", "PLN", "JPY")
_UNITS = {"EUR": 1, "USD": 1, "GBP": 1, "CHF": 1, "PLN": 4, "JPY": 150}
"""Approximate price level: factor from an amount in euros to an amount in the currency."""

_WORK = {
    "development": (480, 4200, ("API work, sprint {n}", 'Release "{n}.0" – bug fixes', "Integration tests; part {n}")),
    "consulting": (300, 2600, ("Workshop, day {n}", "Architecture review, {n} hours", "Beratung für Köln, {n} Std.")),
    "design": (250, 1900, ("Landing page, draft {n}", "Logo\nvariants: {n}", "Maquette n° {n} – côté client")),
    "training": (200, 1500, ("Course, {n} seats", "研修 第{n}回", "Szkolenie, część {n}")),
}
_COSTS = {
    "software": (8, 140, ("Editor licence, seat {n}", 'Plan "Team", month {n}', "CI minutes x{n}")),
    "hosting": (4, 60, ("Server, month {n}", "Domain renewal, {n} year(s)", "Object storage; {n} GB")),
    "travel": (25, 520, ("Train Zürich–Genève, trip {n}", "Hotel, {n} night(s)", "Taxi;\nreceipt {n}")),
    "fees": (1, 35, ("Transfer fee {n}", "Card fee, batch {n}", "Account, quarter {n}")),
}

Row = tuple[str, ...]
T = TypeVar("T")


class _Dice:
    """Random choices based only on `random()`, the method whose sequence is stable across Python versions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # no secret depends on it

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def one_of(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]


def records(rows: int, *, seed: int = 7, dirty: bool = True) -> Iterator[Row]:
    """Yield `rows` records without the header; with `dirty`, `rows // MALFORMED_EVERY` of them are malformed."""
    dice = _Dice(seed)
    recent: deque[Row] = deque(maxlen=200)
    next_id = _FIRST_ID
    for position in range(rows):
        if dirty and position % MALFORMED_EVERY == MALFORMED_EVERY - 1:
            yield _malformed(position // MALFORMED_EVERY, _transaction(dice, str(next_id), position / rows))
            next_id += 1
        elif len(recent) > 50 and dice.chance(0.03):
            yield _sent_again(dice, dice.one_of(recent))
        else:
            row = _transaction(dice, str(next_id), position / rows)
            next_id += 1
            recent.append(row)
            yield row


def write(stream: TextIO, rows: int, *, seed: int = 7, dirty: bool = True) -> None:
    """Write a CSV file with a header and `rows` records to `stream`; lines end with a line feed."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(records(rows, seed=seed, dirty=dirty))


def _transaction(dice: _Dice, identifier: str, progress: float) -> Row:
    """Return a transaction. Dates rise through the file with some jitter; one row in fifty is dated weeks earlier."""
    customer = min(dice.below(_CUSTOMERS), dice.below(_CUSTOMERS))  # customers with low numbers occur more often
    currency = _HOME_CURRENCIES[customer % len(_HOME_CURRENCIES)] if dice.chance(0.95) else "EUR"
    is_cost = dice.chance(0.35)
    category, (low, high, texts) = dice.one_of(tuple((_COSTS if is_cost else _WORK).items()))
    cents = (low * 100 + dice.below((high - low) * 100)) * _UNITS[currency]
    text = dice.one_of(texts).format(n=1 + dice.below(40))
    if not is_cost and dice.chance(0.04):
        is_cost, text = True, f"Refund: {text}"
    late = 20 + dice.below(60) if dice.chance(0.02) else dice.below(4)
    day = max(_FIRST_DAY, _FIRST_DAY + timedelta(days=int(progress * _DAYS) - late))
    return (
        identifier, day.isoformat(), f"C{customer + 1:03d}", _money(-cents if is_cost else cents, currency),
        currency, category, text,
    )  # fmt: skip


def _money(cents: int, currency: str) -> str:
    return str(round(cents / 100)) if currency == "JPY" else f"{Decimal(cents) / 100:.2f}"


def _sent_again(dice: _Dice, row: Row) -> Row:
    """Return a second record for the id of `row`: an exact duplicate, or a record with a corrected amount."""
    if dice.chance(0.5):
        return row
    corrected = _money(int(Decimal(row[3]) * 100) * 9 // 10, row[4])
    return (*row[:3], corrected, *row[4:6], f"{row[6]} (corrected)")


def _malformed(kind: int, row: Row) -> Row:
    """Return `row` malformed. `kind` selects one of several ways; consecutive numbers select different ways."""
    variants: tuple[Row, ...] = (
        row[:4],  # ragged: too few fields
        (*row, "left over"),  # ragged: too many fields
        ("", *row[1:]),  # no key
        (row[0], "2025-02-30", *row[2:]),  # an impossible date
        (*row[:3], "12O.5O", *row[4:]),  # letters instead of digits
        (row[0], "soon", *row[2:]),
        (*row[:3], "n/a", *row[4:]),
    )
    return variants[kind % len(variants)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sample to `--output`, or to standard output."""
    parser = argparse.ArgumentParser(description="Write a deterministic sample of freelancer transactions.")
    parser.add_argument("--rows", type=int, default=3000, help="records in the file, without the header")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clean", action="store_true", help="no malformed records")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.output is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]  # always a TextIOWrapper
        write(sys.stdout, chosen.rows, seed=chosen.seed, dirty=not chosen.clean)
        return
    with chosen.output.open("w", encoding="utf-8", newline="") as stream:
        write(stream, chosen.rows, seed=chosen.seed, dirty=not chosen.clean)


if __name__ == "__main__":
    main()
