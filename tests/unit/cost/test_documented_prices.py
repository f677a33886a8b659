"""Test that README.md and docs/cost.md state the totals that the planner calculates with shipped prices and rate."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from infra.cost import plan
from infra.cost.planning.scaling import changed, parse
from infra.cost.sources import rate, saved
from infra.services import selected
from infra.settings import Settings
from tests.kit.project import ROOT

LEAN = Settings.of("prod", {"host": "hetzner"})
ROW = re.compile(r"^\| .*\| (?P<settings>`[^`|]+`)? ?\| (?:[^|]*\| )?\$(?P<usd>[0-9.]+) \|", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/cost.md"])
def test_documented_totals_equal_planned_totals(page: str) -> None:
    rows = list(ROW.finditer((ROOT / Path(page)).read_text()))
    assert len(rows) >= 3
    for row in rows:
        pairs = (row["settings"] or "").strip("`").split()
        settings = changed(LEAN, parse(pairs, LEAN)) if pairs else LEAN
        known = plan(
            settings, selected(settings), saved.read(), rate.shipped(), date(2026, 10, 29), allow_snapshot=True
        )
        assert f"{known.total_usd:.2f}" == row["usd"], row[0]
