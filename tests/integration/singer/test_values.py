"""Test that blank values are null, and that rows which are not loaded do not affect how other rows are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.singer import Kit

_BANK = {"debit_credit": {"amount": {"debit": "Soll", "credit": "Haben"}}, "decimal": ","}


@pytest.mark.parametrize("kind", ["boolean", "integer", "decimal", "decimal(10,2)", "date", "datetime"])
def test_blank_value_is_loaded_as_null(kit: Kit, kind: str) -> None:
    value = {"boolean": "true", "date": "2026-01-01", "datetime": "2026-01-01 10:00:00"}.get(kind, "1")
    kit.load(kit.csv(f"id,v\n1,{value}\n2, \n3,\n"), entity={"columns": {"v": kind}})
    assert kit.counts["quarantined"] == 0
    assert kit.query("SELECT id FROM t WHERE v IS NULL ORDER BY id") == [("2",), ("3",)]


@pytest.mark.parametrize(
    ("row", "settings"),
    [("Anfangssaldo;100,00;", {"ignore_rows": ["Anfangssaldo"]}), ("Saldo;100,00;", {}), (";100,00;", {})],
)
def test_negative_debits_are_loaded_although_a_row_that_is_not_loaded_has_a_positive_debit(
    kit: Kit, row: str, settings: dict[str, Any]
) -> None:
    kit.load(kit.csv(f"id;Soll;Haben\n{row}\n1;-5,00;\n2;-7,50;\n"), entity=_BANK | settings)
    assert kit.query("SELECT id, amount FROM t ORDER BY id") == [("1", Decimal("-5")), ("2", Decimal("-7.5"))]


def test_debits_with_both_signs_are_quarantined(kit: Kit) -> None:
    kit.load(kit.csv("id;Soll;Haben\n1;-5,00;\n2;7,50;\n"), entity=_BANK)
    assert [row["reason"] for row in kit.quarantined] == ["column Soll has both signs; correct the file"]
    assert kit.query("SELECT id, amount FROM t") == [("2", Decimal("-7.5"))]


def test_decimal_column_stays_narrow_although_an_ignored_row_has_more_decimal_places(kit: Kit) -> None:
    text = "id,amount\n1,1.5\nSaldo,0.123456\n2, 2.5\n"
    kit.load(kit.csv(text), entity={"columns": {"amount": "decimal"}, "ignore_rows": ["Saldo"]})
    assert kit.query("SELECT DISTINCT typeof(amount) FROM t") == [("DECIMAL(18,4)",)]


@pytest.mark.parametrize("kind", ["decimal(10,3)", "decimal(10,4)", "decimal"])
@pytest.mark.parametrize("end", ["", " ", "$", " $", "  "])
def test_number_with_three_digits_after_its_only_separator_is_ambiguous_whatever_its_column_type(
    kit: Kit, kind: str, end: str
) -> None:
    entity = {"columns": {"qty": kind}, "currency_signs": ["$"]}
    rows = "".join(f"{number},{number}.234{end}\n" for number in range(2, 6))
    done = kit.tap(kit.csv(f"id,qty\n1,1.234\n{rows}"), entity=entity, report_path=None)
    assert done.code == 1 and "5 of 5 rows" in done.sentence and "is ambiguous" in done.sentence
