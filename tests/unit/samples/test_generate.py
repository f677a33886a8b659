"""Test the committed sample file and its generator."""

import csv
import io
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from data_stack.samples import generate

COMMITTED = Path(generate.__file__).with_name("transactions.csv")


def test_committed_file_equals_the_generated_file(tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    generate.main(["--output", str(again)])
    assert again.read_bytes() == COMMITTED.read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 374, 375, 2000])
def test_file_has_the_requested_number_of_records(rows: int) -> None:
    stream = io.StringIO()
    generate.write(stream, rows)
    assert len(list(csv.reader(io.StringIO(stream.getvalue(), newline="")))) == rows + 1


def test_records_are_equal_for_equal_seeds_and_differ_for_different_seeds() -> None:
    assert list(generate.records(500, seed=1)) == list(generate.records(500, seed=1))
    assert list(generate.records(500, seed=1)) != list(generate.records(500, seed=2))


def test_all_generated_records_are_valid_if_dirty_is_false() -> None:
    for row in generate.records(5000, dirty=False):
        identifier, day, customer, amount, currency, category, description = row
        date.fromisoformat(day)
        assert Decimal(amount).is_finite() and int(identifier) and customer and len(currency) == 3
        assert category and description


def test_constant_malformed_every_determines_the_number_of_malformed_records() -> None:
    rows = list(generate.records(10 * generate.MALFORMED_EVERY))
    assert sum(not _valid(row) for row in rows) == 10


def test_committed_file_has_several_currencies_late_rows_corrections_and_refunds() -> None:
    with COMMITTED.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if _valid(tuple(row))]
    by_id = Counter(row[0] for row in rows)
    text = "".join(row[6] for row in rows)
    latest = date.min
    late = 0
    for row in rows:
        late += (latest - date.fromisoformat(row[1])).days > 14
        latest = max(latest, date.fromisoformat(row[1]))
    assert len({row[4] for row in rows}) >= 5
    assert late > 20
    assert sum(count > 1 for count in by_id.values()) > 50
    assert any("(corrected)" in row[6] for row in rows)
    assert any(row[6].startswith("Refund: ") and row[3].startswith("-") for row in rows)
    assert {",", '"', "\n", "研"} <= set(text)


def _valid(row: tuple[str, ...]) -> bool:
    try:
        date.fromisoformat(row[1])
        return len(row) == 7 and bool(row[0]) and Decimal(row[3]).is_finite()
    except (ArithmeticError, ValueError):
        return False
