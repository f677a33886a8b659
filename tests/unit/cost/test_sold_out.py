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


@pytest.mark.parametrize("withdrawn", ["the type", "the location of the type", "the location of all types"])
@pytest.mark.parametrize("own", [{}, {"serverType": "cpx22"}, {"location": "auto"}], ids=["auto", "named", "anywhere"])
def test_withdrawal_between_plan_and_order_is_no_crash_and_another_type_is_offered_if_possible(
    withdrawn: str, own: dict[str, Any]
) -> None:
    types = kit.orderable("cpx22", "cpx32")
    if withdrawn == "the type":
        types = [one for one in types if one["name"] != "cpx22"]
    for one in types:
        if withdrawn == "the location of all types" or one["name"] == "cpx22":
            one["prices"] = [price for price in one["prices"] if price["location"] != "fsn1"]
    basis = PlanningInputs(kit.TODAY, RentalInputs(kit.price_list(types=types), kit.RATE, kit.TODAY), None)
    planned = kit.planned(kit.settings(serverType="cpx22", location="fsn1"), prices=kit.SHIPPED_PRICES).server
    assert planned is not None
    found = sold_out.next_best(kit.settings(budgetUsd=60, **own), planned, basis)
    expected = None if withdrawn == "the location of all types" else "cpx32"
    assert (found and found.settings["serverType"]) == expected


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("no room (resource_unavailable, 4c0d)", "is sold out"),
        ("error during placement (placement_error, 4c0d)", "is sold out"),
        ("server type cpx22 not found", "cannot be ordered any more"),
        ('Server Type "cpx22" is unavailable in "fsn1" and can no longer be ordered', "cannot be ordered any more"),
        ("server type 104 is deprecated (invalid_input, 4c0d)", "cannot be ordered any more"),
        ("unsupported location for server type (invalid_input, 4c0d)", "cannot be ordered any more"),
        ("invalid input in field 'server_type' (invalid_input, 4c0d)", "cannot be ordered any more"),
        ("invalid input (invalid_input, 4c0d): [location => [not sold here]]", "cannot be ordered any more"),
        ("server type does not fit (invalid_server_type, 4c0d)", "cannot be ordered any more"),
        ("invalid input in field 'user_data' (invalid_input, 4c0d)", ""),
        ("server limit exceeded (resource_limit_exceeded, 4c0d)", ""),
        ("image debian-9 for architecture x86 not found", ""),
    ],
)
def test_reason_of_a_refused_server_is_its_type_only_if_the_error_says_so(error: str, says: str) -> None:
    found = sold_out.reason([f"Server prod-server: {error}"])
    assert found.startswith(says) and bool(found) == bool(says)
