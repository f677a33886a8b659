"""Compare every report with a file in `tests/golden/cost`; if `FDS_RENEW_GOLDEN` is set, renew the files."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from infra.cost import Plan
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.lines import OFFSITE
from infra.cost.planning.planner import rank_servers
from infra.cost.reports import report
from infra.cost.reports.actual_model import Actual, Item
from infra.cost.reports.diff import diff
from infra.cost.reports.markdown import render
from infra.cost.reports.text import table
from tests.unit.cost import kit

FOLDER = Path(__file__).parents[2] / "golden" / "cost"
SERVICES = (kit.service("postgres", 256, limit_mb=512, data=True, disk_gb=2), kit.service("app", 512, workers=True))
BASE = kit.settings(serverType="cpx22")
LARGE = kit.settings(serverType="cpx32", backups=True, budgetUsd=55, volumeGb=30)
PLANS: dict[str, Plan] = {
    "within": kit.planned(BASE, SERVICES),
    "over": kit.planned(LARGE, SERVICES),
    "does_not_fit": kit.planned(kit.settings(serverType="cpx02"), SERVICES),
    "unknown": kit.planned(kit.settings(location="mars1"), SERVICES),
    "change": diff(kit.planned(BASE, SERVICES), kit.planned(LARGE, SERVICES)),
}


def _rendered(show: object, *arguments: object) -> str:
    assert callable(show)
    console = Console(file=io.StringIO(), width=100, soft_wrap=True)
    show(*arguments, console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _show_explanation(plan: Plan, console: Console) -> None:
    report.formulas(plan, console)
    report.services(plan, console)
    report.considered(rank_servers(BASE, SERVICES, RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)), console)


def _account_report() -> Actual:
    def item(owner: str, name: str, monthly: str | None, so_far: str | None, note: str = "") -> Item:
        return Item.model_validate({
            "owner": owner, "resource": name, "hours": 100, "monthly_usd": monthly, "so_far_usd": so_far, "note": note,
        })  # fmt: skip

    return Actual.model_validate({
        "stack": "prod",
        "items": (
            item("prod", "server a (cpx22 in fsn1)", "26.99", "4.33"),
            item("(stray)", "volume [b]", None, None, "?"),
        ),
        "total_usd": None, "so_far_usd": None, "stack_usd": "26.99", "planned_usd": "28.49", "budget_usd": "50.00",
        "warnings": ("some prices are unknown, so the sums are unknown too",),
    })  # fmt: skip


REPORTS = {
    **{f"{name}.txt": _rendered(report.show, plan) for name, plan in PLANS.items()},
    **{f"{name}.md": render(plan) for name, plan in PLANS.items()},
    **{f"{name}.json": json.dumps(plan.model_dump(mode="json"), indent=2) + "\n" for name, plan in PLANS.items()},
    "explain.txt": _rendered(_show_explanation, PLANS["within"]),
    "refusal.txt": table(PLANS["over"]) + "\n",
    "actual.txt": _rendered(report.actual, _account_report()),
}


@pytest.mark.parametrize("name", REPORTS)
def test_report_equals_the_golden_file(name: str) -> None:
    path = FOLDER / name
    if os.environ.get("FDS_RENEW_GOLDEN"):
        path.write_text(REPORTS[name], encoding="utf-8")
    assert path.read_text(encoding="utf-8") == REPORTS[name]


def test_price_in_another_currency_than_the_account_is_shown_with_its_currency_and_the_rate() -> None:
    dollars = kit.SHIPPED_PRICES.model_copy(update={"currency": "USD"})
    plan = kit.planned(kit.settings(serverType="cpx22", offsiteGb=100, offsiteEurPerGb="0.01"), prices=dollars)
    assert {line.resource: line.currency for line in plan.lines if line.currency != "USD"} == {OFFSITE: "EUR"}
    explained = _rendered(report.formulas, plan)
    (offsite,) = (line for line in explained.splitlines() if OFFSITE in line)
    assert f"100 x 0.0119 EUR x {kit.RATE.rate:f}, rounded up = " in offsite
    assert f" EUR x {kit.RATE.rate:f}" not in explained.replace(offsite, "")
    for shown in (_rendered(report.show, plan), render(plan), table(plan)):
        assert "0.0119 EUR" in shown and shown.lower().count("price usd") == 1


def test_each_golden_file_belongs_to_a_report_and_each_report_has_one() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(REPORTS)


def test_names_from_the_provider_are_not_rendered_as_markup() -> None:
    name, place = "[/x]", "[link=https://example.org]fsn1[/]"
    kind = kit.SHIPPED_PRICES.server_types["cpx22"]
    kind = kind.model_copy(update={"name": name, "offers": {place: kind.offers["fsn1"]}})
    prices = kit.SHIPPED_PRICES.model_copy(
        update={"server_types": {name: kind}, "ipv4": {place: kit.SHIPPED_PRICES.ipv4["fsn1"]}}
    )
    inputs = RentalInputs(prices, kit.RATE, kit.TODAY)
    anywhere = kit.settings(location="auto")
    shown = _rendered(report.considered, rank_servers(anywhere, SERVICES, inputs))
    assert name in shown and place in shown
    plan = kit.planned(anywhere, SERVICES, prices)
    assert name in _rendered(report.show, plan) and place in _rendered(report.formulas, plan)
