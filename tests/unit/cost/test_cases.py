"""Test that the planner and the formula of each case both give the total that was calculated by hand."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from infra.cost import PriceList
from tests.unit.cost import kit
from tests.unit.cost.cases import CASES, Case


def _without_vat(answer: Any) -> None:
    """Set every gross price in an answer of the API to its net price."""
    if isinstance(answer, dict):
        if "net" in answer:
            answer["gross"] = answer["net"]
        for value in answer.values():
            _without_vat(value)
    elif isinstance(answer, list):
        for value in answer:
            _without_vat(value)


def _prices(case: Case) -> PriceList:
    pricing = kit.pricing()
    types = kit.orderable(*case.account["orderable"]) if "orderable" in case.account else kit.server_types()
    pricing["pricing"]["currency"] = case.account.get("currency", "EUR")
    if "vat" in case.account:
        pricing["pricing"]["vat_rate"] = case.account["vat"]
        _without_vat(pricing)
        _without_vat(types)
    return kit.price_list(pricing, types)


def _evaluate(formula: str) -> Decimal:
    """Evaluate a formula in exact fractions."""
    exact = re.sub(r"\d+(\.\d+)?", lambda number: f"Fraction('{number[0]}')", formula)
    value = eval(exact, {"Fraction": Fraction, "up": lambda x: Fraction(math.ceil(x * 100), 100)})
    return Decimal(value.numerator) / Decimal(value.denominator)


def test_there_are_at_least_40_cases_and_no_two_have_the_same_name() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_result_of_the_formula_equals_the_stated_total(case: Case) -> None:
    assert _evaluate(case.formula) == Decimal(case.total_usd)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan_has_the_total_that_was_calculated_by_hand(case: Case) -> None:
    needs = kit.service(memory_mb=2048) if "serverType" not in case.settings else kit.service(memory_mb=64)
    plan = kit.planned(kit.settings(**case.settings), (needs,), _prices(case))
    assert plan.total_usd == Decimal(case.total_usd)
    assert plan.verdict == ("over" if Decimal(case.total_usd) > 50 else "within")
