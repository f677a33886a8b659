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


@pytest.mark.parametrize(("sign", "value"), [("Rs", "Rs.500"), ("Fr", "-Fr.12"), ("USD", "USD.50"), ("kr", "12 kr.")])
def test_amount_with_a_dot_after_its_currency_sign_is_quarantined_unless_the_sign_is_declared_with_the_dot(
    kit: Kit, sign: str, value: str
) -> None:
    file = kit.csv(f"id,v\n1,{value}\n2,{sign} 20\n3,7 {sign}\n")
    kit.load(file, entity={"columns": {"v": "decimal"}, "currency_signs": [sign]})
    assert ["has a dot after its currency sign" in row["reason"] for row in kit.quarantined] == [True]
    assert kit.query("SELECT v FROM t ORDER BY id") == [(20,), (7,)]
    kit.load(file, entity={"columns": {"v": "decimal"}, "currency_signs": [sign, f"{sign}."]})
    digits = int("".join(c for c in value if c.isdigit()))
    assert kit.query("SELECT abs(v) FROM t ORDER BY id") == [(digits,), (20,), (7,)]


def test_dot_after_a_currency_symbol_is_the_decimal_point(kit: Kit) -> None:
    kit.load(kit.csv("id,v\n1,$.50\n2,-$.25\n"), entity={"columns": {"v": "decimal"}, "currency_signs": ["$"]})
    assert kit.query("SELECT v FROM t ORDER BY id") == [(Decimal("0.5"),), (Decimal("-0.25"),)]


def test_declared_forms_of_negative_numbers_may_have_spaces_and_numbers_may_have_a_tab_beside_them(kit: Kit) -> None:
    entity = {"columns": {"v": "decimal"}, "negatives": ["parentheses", "trailing_minus"]}
    kit.load(kit.csv("id,v\n1,12.50 -\n2,( 12.50 )\n3,12.50\t\n"), entity=entity)
    assert kit.query("SELECT v FROM t ORDER BY id") == [(Decimal("-12.5"),), (Decimal("-12.5"),), (Decimal("12.5"),)]


def test_declared_form_of_negative_numbers_is_not_advised(kit: Kit) -> None:
    entity = {"columns": {"v": "decimal"}, "negatives": ["parentheses", "trailing_minus"], "decimal": "."}
    kit.load(kit.csv('id,v\n1,"(1,5)"\n2,"1,5-"\n3,7\n'), entity=entity)
    assert [row["reason"].rpartition("; ")[2] for row in kit.quarantined] == ["declare decimal and thousands"] * 2


@pytest.mark.parametrize(("kind", "good"), [("date", "2026-01-05"), ("boolean", "true"), ("integer", "5")])
@pytest.mark.parametrize("proof", ["12,5", "12.5"])
def test_row_with_an_unreadable_value_does_not_decide_the_decimal_separator_of_other_rows(
    kit: Kit, kind: str, good: str, proof: str
) -> None:
    entity = {"columns": {"d": kind, "x": "decimal"}}
    file = kit.csv(f"id;d;x\n1;{good};1.234\n2;garbage;{proof}\n3;{good};2.500\n")
    done = kit.tap(file, entity=entity, report_path=None)
    assert done.code == 1 and "3 of 3 rows" in done.sentence and "is ambiguous" in done.sentence
    kit.load(kit.csv(f"id;d;x\n1;{good};1.234\n2;garbage;{proof}\n3;{good};{proof[1:]}\n"), entity=entity)
    assert kit.query("SELECT x FROM t WHERE id = '3'") == [(Decimal("2.5"),)]


def test_unreadable_number_may_prove_the_separator_of_its_own_column(kit: Kit) -> None:
    kit.load(kit.csv("id;n\n1;1,234\n2;12.5\n"), entity={"columns": {"n": "integer"}})
    assert ["is not a whole number" in row["reason"] for row in kit.quarantined] == [True]
    assert kit.query("SELECT id, n FROM t") == [("1", 1234)]


def test_only_good_row_that_proves_the_separator_may_be_far_from_the_first_rows(kit: Kit) -> None:
    rows = "".join(f"{number};2026-01-05;1.234\n" for number in range(5000))
    kit.load(kit.csv(f"id;d;x\n{rows}a;2026-01-05;12,5\n"), entity={"columns": {"d": "date", "x": "decimal"}})
    assert kit.query("SELECT count(*), sum(x) FROM t") == [(5001, Decimal("6170012.5"))]


def test_separator_of_debits_is_not_proven_by_a_row_with_an_unreadable_day(kit: Kit) -> None:
    entity = _BANK | {"decimal": None, "columns": {"d": "date"}}
    text = "id;d;Soll;Haben\n1;2026-01-05;1.234;\n2;{};;12,5\n3;2026-01-05;;2.500\n"
    assert kit.tap(kit.csv(text.format("garbage")), entity=entity, report_path=None).code == 1
    kit.load(kit.csv(text.format("2026-01-05")), entity=entity)
    assert kit.query("SELECT amount FROM t ORDER BY id") == [(-1234,), (Decimal("12.5"),), (2500,)]
