"""Change and remove seeds and snapshots of a user's project: values stay correct, and snapshots keep their history."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.pipeline.own_project import OwnProject

pytestmark = pytest.mark.slow

FILES = {
    "dbt_project.yml": """name: mine
version: "1.0.0"
profile: ai_agent_data_stack
models: {mine: {+schema: marts, +materialized: table}}
seeds: {mine: {+schema: lists}}
snapshots: {mine: {+schema: lists}}
""",
    "models/sources.yml": "sources: [{name: raw_data, schema: raw_data, tables: [{name: hours}]}]\n",
    "models/paid.sql": "select id, minutes from {{ source('raw_data', 'hours') }}",
    "models/history.sql": "select id, minutes, dbt_valid_to from {{ ref('hours_then') }}",
    "models/shown.sql": "{{ config(materialized='view', schema='lists') }} select 1 as one",
    "seeds/codes.csv": "code,zip\n7,1\n",
    "snapshots/hours_then.yml": """
snapshots: [{name: hours_then, relation: ref('paid'), config: {strategy: check, unique_key: id, check_cols: [minutes]}}]
""",
}
HISTORY = "SELECT id, minutes, dbt_valid_to IS NULL FROM lists.hours_then ORDER BY id, dbt_valid_from"
CODES = "SELECT code, zip FROM lists.codes"


def write(project: OwnProject, name: str, text: str) -> Path:
    file = project.models.parent / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def land(project: OwnProject, name: str, *rows: str) -> None:
    project.land(name, "id,minutes\n" + "".join(f"{row}\n" for row in rows))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    """Return a project with an entity, a seed and a snapshot after its first run.

    The tests must run in the order of this file, because later tests use the data of earlier ones.
    """
    project = OwnProject(tmp_path_factory.mktemp("own"), "own", {"host": "local"}, sources=True)
    dbt = project.models.parent
    kept = {name: (dbt / name).read_text() for name in ("profiles.yml", "macros/generate_schema_name.sql")}
    shutil.rmtree(dbt)
    for name, text in {**FILES, **kept}.items():
        write(project, name, text)
    project.declare(entities=[{"entity": "hours", "path": "*", "keys": ["id"], "columns": {"minutes": "integer"}}])
    land(project, "1.csv", "h1,60", "h2,30")
    first = project.local("run")
    assert first.code == 0, first.said
    assert project.query(CODES) == [(7, 1)]
    return project


def test_columns_of_a_changed_seed_are_matched_by_name_and_not_by_order(project: OwnProject) -> None:
    write(project, "seeds/codes.csv", "zip,code,note\n1,7,new\n")
    land(project, "2.csv", "h1,61")
    run = project.local("run")
    assert run.code == 0, run.said
    assert project.query(CODES) == [(7, 1)]
    assert project.query("SELECT note FROM lists.codes") == [("new",)]
    assert project.query(HISTORY) == [("h1", 60, False), ("h1", 61, True), ("h2", 30, True)]


def test_history_of_a_snapshot_is_not_changed_by_a_run_with_option_plan_or_by_a_failed_run(project: OwnProject) -> None:
    before = project.published.read_bytes()
    land(project, "3.csv", "h1,62")
    plan = project.local("run", "--plan")
    assert plan.code == 0, plan.said
    history = next(mart for mart in plan.answer["diff"] if mart["mart"] == "history")
    assert (history["added"], history["removed"]) == (2, 1), "the old version ends and the new one begins"
    failing = write(project, "tests/fails.sql", "select 1 as one")
    assert project.local("run").code == 6
    failing.unlink()
    assert project.published.read_bytes() == before


def test_seed_value_that_dbt_would_change_is_refused_until_the_type_of_its_column_is_declared(
    project: OwnProject,
) -> None:
    write(project, "seeds/codes.csv", "code,zip\n7,1\n8,007\n")
    run = project.local("run")
    assert (run.code, run.answer["published"]) == (6, None)
    assert "seed codes: dbt loads column zip as INTEGER, which changes the value '007' in line 3" in run.answer["error"]
    assert "column_types: {zip: varchar}" in run.answer["error"]
    write(project, "seeds/seeds.yml", "seeds: [{name: codes, config: {column_types: {zip: varchar}}}]\n")
    run = project.local("run")
    assert run.code == 0, run.said
    assert project.query(CODES) == [(7, "1"), (8, "007")]
    assert project.query(HISTORY)[:3] == [("h1", 60, False), ("h1", 61, False), ("h1", 62, True)]


def test_removed_snapshot_keeps_its_table_and_a_seed_can_replace_a_removed_model_of_the_same_name(
    project: OwnProject,
) -> None:
    for name in ("models/shown.sql", "models/history.sql", "snapshots/hours_then.yml"):
        (project.models.parent / name).unlink()
    write(project, "seeds/shown.csv", "one\n2\n")
    before = project.query(HISTORY)
    run = project.local("run")
    assert run.code == 0, run.said
    assert project.query("SELECT one FROM lists.shown") == [(2,)]
    assert project.query(HISTORY) == before
    gone = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'history'"
    assert project.query(gone) == [(0,)]


def test_new_model_with_the_name_of_a_removed_snapshot_is_refused(project: OwnProject) -> None:
    model = write(project, "models/hours_then.sql", "{{ config(schema='lists') }} select 1 as one")
    before = project.query(HISTORY)
    run = project.local("run")
    assert (run.code, run.answer["published"]) == (6, None)
    assert "lists.hours_then is now a model or a seed, but its table has the history" in run.answer["error"]
    assert project.query(HISTORY) == before
    model.unlink()
    write(project, "snapshots/hours_then.yml", FILES["snapshots/hours_then.yml"])
    land(project, "4.csv", "h2,31")
    assert project.local("run").code == 0
    assert project.query(HISTORY) == [*before[:-1], ("h2", 30, False), ("h2", 31, True)], "the snapshot continues"
