"""Run the CSV cases and the hostile files of tests/integration/singer through the whole pipeline.

Each published value is exact, or a message says what to do. All cases run in one project, which has an entity
for each case. The files of the cases are added to the landing folder step by step. Four of the cases are also loaded
with `fds run --csv` in the project of this repository.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.integration.pipeline.conftest import Ended, fds_run
from tests.integration.pipeline.own_project import OwnProject
from tests.integration.singer.hostile import HOSTILE, Rows
from tests.integration.singer.test_csv_cases import CASES, CASES_FOLDER, COLUMNS, land, truths

pytestmark = pytest.mark.slow

_PUBLISHED = "SELECT transaction_id, transaction_date::VARCHAR, amount, currency FROM marts.fact_transactions"
_STEPS = 3
_OVERLAP = {
    "a.csv": ["1,2026-01-01,a", "2,2026-01-01,a", "3,2026-01-01,a"],
    "b.csv": ["2,2026-01-01,b", "1,2026-01-01,b", "1,2026-01-01,bb", "4,soon,b"],
    "c.csv": ["1,2026-01-01,c"],
}
"""Files with repeated keys: key 1 is in 3 files, twice in `b.csv`; key 2 is in 2 files; key 4 has no valid date."""
_DBT_PROJECT = """
name: cases
version: "1.0.0"
profile: ai_agent_data_stack
models: {cases: {+schema: marts, +materialized: table}}
"""


@dataclass
class CaseResults:
    """Results of all cases: the runs, the published rows and the messages of each case, and the rows of `_OVERLAP`."""

    runs: list[Ended] = field(default_factory=list)
    rows: dict[str, Rows] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    overlap: list[tuple[Any, ...]] = field(default_factory=list)

    def streams(self, run: int) -> dict[str, dict[str, int]]:
        return {stream["table"].split(".")[1]: stream["rows"] for stream in self.runs[run].answer["streams"]}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> CaseResults:
    project = _project(tmp_path_factory.mktemp("cases"))
    for name, hostile in HOSTILE.items():
        (project.landing / name).mkdir(parents=True)
        (project.landing / name / "a.csv").write_bytes(hostile.content)
    for name, lines in _OVERLAP.items():
        project.land(f"overlap/{name}", "\n".join(["id,day,v", *lines, ""]))
    done = CaseResults(said={name: [] for name in (*CASES, *HOSTILE)})
    for step in range(_STEPS):
        if step == 1:
            project.land("overlap/d.csv", "id,day,v\n1,2026-01-01,d\n")
        for name, case in CASES.items():
            _land_step(project.landing / name, case["steps"][step : step + 1])
        run = project.local("run")
        assert run.code == 6 and run.answer["published"], run.said
        done.runs.append(run)
        for row in (*run.answer["refused"], *run.answer["quarantine"]):
            if row["entity"] in done.said:
                done.said[row["entity"]].append(f"{row['reason']}: {row.get('raw', '')}")
    done.rows = {name: {} for name in done.said}
    for name, key, *row in project.query("SELECT name, id, day, amount, currency FROM marts.published"):
        done.rows[name][key] = tuple(row)
    done.overlap = project.query("SELECT id, v FROM marts.overlapping ORDER BY id")
    return done


def _project(folder: Path) -> OwnProject:
    """Create a project with an entity for each case and one for `_OVERLAP`; one model unites the rows of all cases."""
    project = OwnProject(folder, "cases", {"host": "local"}, sources=True)
    dbt = folder / "data_stack" / "dbt"
    kept = {name: (dbt / name).read_text() for name in ("profiles.yml", "macros/generate_schema_name.sql")}
    shutil.rmtree(dbt)
    selects = (
        f"SELECT '{name}' AS name, id, date::VARCHAR AS day, amount, trim(currency) AS currency "
        f'FROM raw_data."{name}"'
        for name in (*CASES, *HOSTILE)
    )
    models = {
        "models/published.sql": "\nUNION ALL ".join(selects),
        "models/overlapping.sql": "SELECT id, v FROM raw_data.overlap",
    }
    for path, text in {**kept, **models, "dbt_project.yml": _DBT_PROJECT}.items():
        (dbt / path).parent.mkdir(parents=True, exist_ok=True)
        (dbt / path).write_text(text)
    entities = [
        {"entity": name, "keys": ["id"], "columns": COLUMNS, **CASES.get(name, {}).get("settings", {})}
        for name in (*CASES, *HOSTILE)
    ]
    project.declare(entities=[*entities, {"entity": "overlap", "keys": ["id"], "columns": {"day": "date"}}])
    return project


def _land_step(landing: Path, steps: list[dict[str, str]]) -> None:
    """Copy the files of a step, if the case has this step, into the landing folder of the case."""
    landing.mkdir(parents=True, exist_ok=True)
    for step in steps:
        if "csv" in step:
            shutil.copyfile(CASES_FOLDER / step["csv"], landing / Path(step["csv"]).name)
        else:
            land(CASES_FOLDER / step["landing"], landing)


@pytest.mark.parametrize("name", CASES)
def test_rows_of_a_csv_case_are_published_exactly_or_reported(results: CaseResults, name: str) -> None:
    case, rows, said = CASES[name], results.rows[name], "\n".join(results.said[name])
    assert any(all(truth.get(key) == row for key, row in rows.items()) for truth in truths(case)), rows
    if case["outcome"] == "read":
        assert rows in truths(case), said
    else:
        assert rows not in truths(case) and re.search(case["message"], said, re.DOTALL), said


@pytest.mark.parametrize("name", HOSTILE)
def test_good_rows_of_a_hostile_file_are_published_exactly_and_bad_rows_are_reported(
    results: CaseResults, name: str
) -> None:
    case, said, counts = HOSTILE[name], results.said[name], results.streams(0)[name]
    assert results.rows[name] == case.rows
    assert counts == {
        "read": len(case.rows) + (case.bad or 0), "loaded": len(case.rows), "quarantined": case.bad or 0, "replaced": 0,
    }  # fmt: skip
    assert len([row for row in results.runs[0].answer["refused"] if row["entity"] == name]) == (case.bad is None)
    assert all(re.search(word, "\n".join(said)) for word in case.messages), said


def test_row_replaced_by_a_later_row_of_the_same_run_is_counted_as_replaced_and_not_as_loaded(
    results: CaseResults,
) -> None:
    assert results.streams(0)["overlap"] == {"read": 8, "loaded": 3, "quarantined": 1, "replaced": 4}
    assert results.streams(1)["overlap"] == {"read": 1, "loaded": 1, "quarantined": 0, "replaced": 0}
    assert results.overlap == [("1", "d"), ("2", "b"), ("3", "a")]


def test_read_rows_are_the_sum_of_loaded_quarantined_and_replaced_rows_in_every_stream(results: CaseResults) -> None:
    for number, run in enumerate(results.runs):
        for rows in (*results.streams(number).values(), run.answer["rows"]):
            assert rows["read"] == rows["loaded"] + rows["quarantined"] + rows["replaced"]
    reported = {row["entity"] for row in results.runs[0].answer["refused"]}
    assert reported >= {name for name, case in HOSTILE.items() if case.bad is None}


@pytest.mark.parametrize(
    "name", ["de_thousands_without_cents", "offset_time_two_runs", "footer_total", "workbook_named_csv"]
)
def test_rows_of_a_file_given_by_the_option_csv_are_published_exactly_or_reported(tmp_path: Path, name: str) -> None:
    case, database, said = CASES[name], tmp_path / "warehouse.duckdb", ""
    for step in case["steps"]:
        said += json.dumps(fds_run(database, CASES_FOLDER / step["csv"]).answer, ensure_ascii=False)
    rows = {}
    if database.exists():
        with duckdb.connect(str(database), read_only=True) as connection:
            rows = {key: tuple(row) for key, *row in connection.execute(_PUBLISHED).fetchall()}
    assert any(all(truth.get(key) == row for key, row in rows.items()) for truth in truths(case)), rows
    assert rows in truths(case) if case["outcome"] == "read" else re.search(case["message"], said), said
