"""Test that sold-out server types, and server types after their end date, cannot be ordered."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.cost import Deployed
from tests.unit.cost import kit


def _refused(types: list[dict[str, Any]], **settings: Any) -> str:
    plan = kit.planned(kit.settings(**settings), prices=kit.price_list(types=types))
    assert plan.verdict != "within"
    return plan.reason


def test_sold_out_type_is_refused_and_server_type_auto_chooses_another_type() -> None:
    server = kit.planned(prices=kit.price_list(types=kit.orderable("cpx32", "cpx42"))).server
    assert server is not None and server.type == "cpx32"
    assert "sold out" in _refused(kit.orderable("cpx32"), serverType="cpx22")


def test_plan_does_not_fit_if_every_type_is_sold_out() -> None:
    assert kit.planned(prices=kit.price_list(types=kit.orderable())).verdict == "does_not_fit"


@pytest.mark.parametrize(
    ("after", "verdict"), [("2026-10-08T00:00:00+00:00", "does_not_fit"), ("2026-10-09", "within")]
)
def test_deprecated_type_is_orderable_only_before_its_end_date(after: str, verdict: str) -> None:
    types = kit.server_types()
    next(kind for kind in types if kind["name"] == "cpx22")["deprecation"] = {
        "announced": "2026-01-01",
        "unavailable_after": after,
    }
    plan = kit.planned(kit.settings(serverType="cpx22"), prices=kit.price_list(types=types))
    assert plan.verdict == verdict
    assert "withdrawn" in plan.reason or any("from 2026-10-09 on" in warning for warning in plan.warnings)


@pytest.mark.parametrize("own", [{"serverType": "cpx22"}, {"serverType": "cpx22", "location": "nbg1"}])
def test_deprecated_type_without_any_end_date_is_withdrawn_from_the_date_of_the_list_on(own: dict[str, Any]) -> None:
    types = kit.server_types()
    kind = next(kind for kind in types if kind["name"] == "cpx22")
    kind |= {"deprecated": True, "deprecation": None}
    assert "was withdrawn on 2026-10-07" in _refused(types, **own)
    running = Deployed("cpx22", own.get("location", "fsn1"), 10, 80, "x86", own.get("location", "fsn1"))
    kept = kit.planned(kit.settings(**own), prices=kit.price_list(types=types), deployed=running)
    assert kept.verdict == "within" and any("was withdrawn on 2026-10-07" in one for one in kept.warnings)


def test_deprecated_type_with_an_end_date_at_a_location_is_orderable_before_this_date() -> None:
    types = kit.server_types()
    kind = next(kind for kind in types if kind["name"] == "cpx22")
    kind["deprecated"] = True
    kind["locations"][0]["deprecation"] = {"announced": "2026-01-01", "unavailable_after": "2026-10-09"}
    assert kit.planned(kit.settings(serverType="cpx22"), prices=kit.price_list(types=types)).verdict == "within"


def test_offer_is_not_orderable_if_it_is_marked_as_unavailable() -> None:
    offer = kit.SHIPPED_PRICES.server_types["cpx22"].offers["fsn1"]
    assert offer.orderable(date(2026, 10, 8))
    assert not offer.model_copy(update={"available": False}).orderable(date(2026, 10, 8))
