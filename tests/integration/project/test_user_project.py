"""Test users' projects, from source files to marts, with this package installed from a wheel."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.integration.pipeline.own_project import BANK, ENTITIES, EVENTS, FILES
from tests.integration.project.conftest import UserProject, init
from tests.kit import wheel

PAGE = "import streamlit as st\n\nst.title('Hours per project')\n"


@pytest.fixture(scope="module")
def own(installed: wheel.Installed, tmp_path_factory: pytest.TempPathFactory) -> UserProject:
    """Return a project with time tracking, invoices, bank rows, a tap from the package index, models, and a page."""
    project = init(installed, tmp_path_factory.mktemp("users of mine"), "own")
    meltano = project.content / "meltano" / "meltano.yml"
    document = yaml.safe_load(meltano.read_text())
    taps = document["plugins"]["extractors"]
    taps[0]["config"]["entities"] = ENTITIES
    events = {"path": f"{project.folder}/events/*.jsonl", "stream_name": "events", "primary_keys": ["id"]}
    taps += [BANK, EVENTS | {"config": events}]
    meltano.write_text(yaml.safe_dump(document, sort_keys=False))
    for name, text in FILES.items():
        if name != "dbt_project.yml":  # keep the one from `fds init`: it builds models/marts in the schema `marts`
            project.write(f"dbt/{name.replace('models/', 'models/marts/')}", dedent(text).lstrip("\n"))
    project.write("dashboards/Hours.py", PAGE)
    project.land("hours.csv", "id,project,day,minutes\nh1,web,2026-01-05,60\nh2,print,2026-01-06,90\n")
    project.land("invoices/2026.csv", "number,issued,total\nR1,2026-01-31,100.50\nR2,2026-02-28,200\n")
    project.land("bank/january.csv", "ref;amount\nR1;100.50\n")
    (project.folder / "events").mkdir()
    lines = [json.dumps({"id": number, "kind": "view"}) for number in range(30)]
    (project.folder / "events" / "events.jsonl").write_text("\n".join(lines) + "\n")
    return project


def test_demo_project_loads_its_sample_file(installed: wheel.Installed, tmp_path: Path) -> None:
    project = init(installed, tmp_path, "mine", "--demo")
    run = project.load("--csv", "data_stack/samples/transactions.csv")
    assert run["published"] and run["rows"]["loaded"] > 2000
    assert {check["status"] for check in run["checks"]} == {"pass"}
    assert project.query("SELECT count(*) FROM marts.fact_transactions") == [(run["rows"]["loaded"],)]


def test_own_sources_and_models_are_published(own: UserProject) -> None:
    run = own.load()
    streams = {stream["table"]: stream["rows"]["loaded"] for stream in run["streams"]}
    assert streams == {"raw_data.hours": 2, "raw_data.invoices": 2, "raw_data.bank": 1, "tap_jsonl.events": 30}
    assert own.query("SELECT project, value FROM marts.worked ORDER BY 1") == [("print", 90.0), ("web", 90.0)]
    assert own.query("SELECT number, due FROM marts.open ORDER BY 1") == [("R1", 0), ("R2", 200)]
    assert own.query("SELECT * FROM marts.seen") == [("view", 30)]
    marts = {path.stem for path in (own.local / "warehouse-parquet").iterdir()}
    assert marts == {"worked", "invoiced", "paid", "seen", "open"}


def _tags(project: UserProject) -> dict[str, str]:
    """Return the tags of the images that a deployment of the project builds, by the name of the image."""
    code = (
        "import json; from infra.build_context import content_digest; from infra.services import Build, catalogue\n"
        "built = [s.image for s in catalogue() if isinstance(s.image, Build)]\n"
        "print(json.dumps({image.name: content_digest(image, {}) for image in built}))"
    )
    tags: dict[str, str] = json.loads(project.python(code))
    return tags


def test_build_context_of_the_images_has_the_content_of_the_project_and_no_demo_model(own: UserProject) -> None:
    context = Path(own.python("from infra.build_context import context_dir; print(context_dir())").strip())
    for name, file in own.files().items():
        if name.startswith("data_stack/"):
            assert (context / name).read_bytes() == file, name
    assert (context / "data_stack" / "singer" / "tap-csv" / "pyproject.toml").is_file()
    assert not list(context.rglob("fact_transactions.sql")), "images of another project must not contain the demo"


def test_edited_file_changes_only_the_tags_of_the_images_that_contain_the_file(own: UserProject) -> None:
    before = _tags(own)
    own.write("dashboards/Hours.py", PAGE + "st.write('more')\n")
    page = _tags(own)
    own.write("dashboards/Hours.py", PAGE)
    own.write("dbt/models/marts/one.sql", "select 1 as one")
    model = _tags(own)
    (own.content / "dbt" / "models" / "marts" / "one.sql").unlink()
    assert {name for name in before if page[name] != before[name]} == {"streamlit"}
    assert {name for name in before if model[name] != before[name]} == {"pipeline", "airflow"}
    assert _tags(own) == before


def test_upgrade_of_the_package_changes_no_file_of_the_project_and_the_next_run_succeeds(
    own: UserProject, built: Path
) -> None:
    before = own.files()
    wheel.upgrade(built, own.installed)
    own.land("bank/february.csv", "ref;amount\nR2;200\n")
    run = own.load("--source", "tap-csv--bank")
    assert run["rows"]["loaded"] == 1 and own.query("SELECT sum(due) FROM marts.open") == [(0,)]
    assert own.files() == before
