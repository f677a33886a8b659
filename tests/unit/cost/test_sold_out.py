"""Test the alternative that is offered if the provider refuses to create a server because its type is sold out."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.cost import sold_out
from infra.cost.planning import capacity
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.model import Alternative
from infra.cost.planning_inputs import PlanningInputs
from tests.unit.cost import kit


def _alternative(types: list[str], **own: Any) -> Alternative | None:
    """Return the alternative that is offered if the provider refuses the planned server type as sold out.

    The price list does not know this yet: it says that all of `types` can be ordered.
    """
    prices = kit.price_list(types=kit.orderable(*types))
    basis = PlanningInputs(kit.TODAY, RentalInputs(prices, kit.RATE, date(2026, 10, 8)), capacity.Machine())
    settings = kit.settings(**own)
    wanted = basis.plan(settings).server
    assert wanted is not None
    return sold_out.next_best(settings, wanted, basis)


def test_another_orderable_type_at_the_planned_location_is_offered() -> None:
    found = _alternative(["cpx22", "cpx32"], budgetUsd=60)
    assert found is not None
    assert (found.settings, str(found.total_usd)) == ({"serverType": "cpx32"}, "50.65")


def test_server_type_in_the_settings_is_replaced_by_the_alternative() -> None:
    found = _alternative(["cpx22", "cpx32"], budgetUsd=60, serverType="cpx22", location="auto")
    assert found is not None
    assert found.settings == {"serverType": "cpx32", "location": found.describe.split()[-1]}


def test_next_type_is_offered_without_backups_if_it_exceeds_the_budget_with_backups() -> None:
    found = _alternative(["cpx22", "cpx32"], budgetUsd=55, backups=True)
    assert found is not None
    assert (found.settings, str(found.total_usd)) == ({"backups": "false", "serverType": "cpx32"}, "50.65")


@pytest.mark.parametrize("types", [["cpx22"], ["cpx22", "cpx32"]])
def test_nothing_is_offered_if_no_other_orderable_type_fits_the_budget(types: list[str]) -> None:
    assert _alternative(types) is None
