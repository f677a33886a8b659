"""Test that README.md and docs/cost.md state the totals that the planner calculates with shipped prices and rate."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from infra.cost import Plan, plan
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.scaling import changed, parse
from infra.cost.sources import rate, saved
from infra.services import selected
from infra.settings import Settings
from tests.kit.project import ROOT

LEAN = Settings.of("prod", {"host": "hetzner"})
ROW = re.compile(r"^\| .*\| (?P<settings>`[^`|]+`)? ?\| (?:[^|]*\| )?\$(?P<usd>[0-9.]+) \|", re.MULTILINE)

FITS = re.compile(
    r"^\| .*\| (?P<settings>`[^`|]+`) \| (?P<reserved>[0-9,]+) \+ (?P<overhead>\d+) \| .* \| (?P<verdict>[a-z ]+) \|$",
    re.MULTILINE,
)


@pytest.mark.parametrize("page", ["README.md", "docs/cost.md"])
def test_documented_totals_equal_planned_totals(page: str) -> None:
    rows = list(ROW.finditer((ROOT / Path(page)).read_text()))
    assert len(rows) >= 3
    for row in rows:
        assert f"{_planned(row['settings'] or '').total_usd:.2f}" == row["usd"], row[0]


def test_documented_memory_and_verdict_equal_the_plan() -> None:
    rows = list(FITS.finditer((ROOT / "docs" / "cost.md").read_text()))
    assert len(rows) >= 8
    for row in rows:
        known = _planned(row["settings"])
        memory = known.capacity.memory_mb
        assert row["reserved"].replace(",", "") == f"{memory.reserved:f}", row[0]
        assert row["overhead"] == f"{memory.overhead:f}", row[0]
        assert known.verdict == {"fits": "within", "does not fit": "does_not_fit"}[row["verdict"]], row[0]


def _planned(settings: str) -> Plan:
    """Return the plan of the lean stack `prod` with other settings: KEY=VALUE pairs in backticks, or an empty text."""
    pairs = settings.strip("`").split()
    wanted = changed(LEAN, parse(pairs, LEAN)) if pairs else LEAN
    return plan(
        wanted, selected(wanted), RentalInputs(saved.read(), rate.shipped(), date(2026, 10, 29), allow_snapshot=True)
    )
