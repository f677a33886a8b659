"""Load malformed and misleading CSV files: a row is loaded with its exact values, or quarantined with a reason.

Some files are refused as a whole, also with a reason.
"""

from __future__ import annotations

import re

import pytest

from tests.integration.singer.hostile import HOSTILE
from tests.integration.singer.test_csv_cases import COLUMNS
from tests.kit.singer import Kit


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_or_its_rows_are_loaded_exactly_or_quarantined(kit: Kit, name: str) -> None:
    case = HOSTILE[name]
    kit.load(kit.csv(case.content), entity={"columns": COLUMNS})
    found = kit.query("SELECT id, date::VARCHAR, amount, currency FROM t")
    assert {key: tuple(row) for key, *row in found} == case.rows
    assert len(found) == len(case.rows) == kit.loaded["loaded"]
    refused = kit.counts["files"][0]["refused"]
    assert bool(refused) == (case.bad is None), refused
    assert kit.counts["quarantined"] == len(kit.quarantined) == (case.bad or 0)
    said = "\n".join([str(refused), *(row["reason"] for row in kit.quarantined)])
    assert all(re.search(word, said) for word in case.messages), said
