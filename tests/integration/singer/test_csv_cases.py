"""Load CSV files as users have them: every value is loaded correctly, or a message names the reason.

`csv_cases/cases.json` has for each case:

- `steps`: each step is one file (`csv`) or files that are added to the landing folder (`landing`);
- `settings`: settings of the tap for this case, if any;
- `rows`: the true rows as `{id: [day, amount, currency]}`; `or_rows` are other correct results of the load;
- `outcome`: `read` if all rows are loaded, `reported` if rows are quarantined or refused;
- `message`: a regular expression that must match a message, if the outcome is `reported`;
- `declared`: settings with which all rows are loaded.
"""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.singer import Kit

CASES_FOLDER = Path(__file__).parent / "csv_cases"
CASES: dict[str, dict[str, Any]] = json.loads((CASES_FOLDER / "cases.json").read_text())
COLUMNS = {
    "date": "date", "customer_id": "string", "amount": "decimal", "currency": "string", "category": "string",
    "description": "string",
}  # fmt: skip

Rows = dict[str, tuple[str | None, Decimal | None, str | None]]


def truths(case: dict[str, Any]) -> list[Rows]:
    """Return the correct results of a case: each is a full set of rows, and the load must produce one of them."""
    readings = [case["rows"], *case.get("or_rows", [])]
    return [{i: (day, Decimal(amount), currency) for i, (day, amount, currency) in rows.items()} for rows in readings]


def play(kit: Kit, case: dict[str, Any], entity: dict[str, Any]) -> tuple[Rows, str]:
    """Load all steps with tap and target. Returns: the rows in the table, and all messages."""
    said: list[str] = []
    state: dict[str, Any] | None = None
    landing = kit.folder / "landing"
    landing.mkdir()
    for step in case["steps"]:
        files = [CASES_FOLDER / step["csv"]] if "csv" in step else land(CASES_FOLDER / step["landing"], landing)
        done = kit.tap(*files, entity=entity, state=state, **case.get("settings", {}))
        if done.code:
            said.append(done.sentence)
        else:
            loaded = kit.target(done.out)
            assert loaded.code == 0, loaded.error
            assert kit.counts["emitted"] == kit.loaded["received"] == kit.loaded["loaded"] + kit.loaded["replaced"]
            state = done.state if "landing" in step else None
        said += [file["refused"] for file in kit.counts["files"] if file["refused"]]
    said += [f"{row['reason']}: {row['raw']}" for row in kit.quarantined]
    query = "SELECT id, date::VARCHAR, amount, trim(currency) FROM t"
    found = kit.query(query) if kit.database.exists() else []
    return {key: (day, amount, currency) for key, day, amount, currency in found}, "\n".join(said)


def land(source: Path, landing: Path) -> list[Path]:
    for file in source.glob("[!.]*"):
        shutil.copyfile(file, landing / file.name)
    return sorted(landing.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_every_loaded_value_is_correct_and_missing_rows_are_reported(kit: Kit, name: str) -> None:
    case = CASES[name]
    rows, said = play(kit, case, {"columns": COLUMNS})
    assert any(all(truth.get(key) == row for key, row in rows.items()) for truth in truths(case)), rows
    if case["outcome"] == "read":
        assert rows in truths(case)
    else:
        assert rows not in truths(case)
        assert re.search(case["message"], said, re.DOTALL), said


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "declared" in case])
def test_every_row_is_loaded_with_the_settings_that_the_case_declares(kit: Kit, name: str) -> None:
    case = CASES[name]
    columns = {
        column: kind for column, kind in COLUMNS.items() if column not in case["declared"].get("debit_credit", {})
    }
    rows, _ = play(kit, case, {"columns": columns} | case["declared"])
    assert rows in truths(case)
