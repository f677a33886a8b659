"""Run the sources and models of a user's project; check row counts, marts, `--plan`, `fds diff` and `fds dbt`."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.integration.pipeline.conftest import Ended
from tests.integration.pipeline.own_project import OwnProject, make_project, write_events

HOURS = "id,project,day,minutes\n" + "".join(f"h{n},{'web' if n % 2 else 'print'},2026-01-05,60\n" for n in range(20))
INVOICES = "number,issued,total\nR1,2026-01-31,100.50\nR2,2026-02-28,200\nR2,2026-02-28,210\nR3,soon,5\n"
"""File with four rows of invoices: the number R2 occurs twice, and the date of R3 is invalid."""
BANK = "ref;amount\nR1;100.50\nR9;-3\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    """Return the project that all tests except the last one share.

    They must run in the order of this file, because they change the project.
    """
    return make_project(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def first(project: OwnProject) -> Ended:
    """Write input files for all four streams, run the pipeline for the first time, and return the result."""
    project.land("HOURS 2026.CSV", HOURS)
    project.land("invoices/a $HOME.csv", INVOICES)
    project.land("bank/january.csv", BANK)
    write_events(project, 300)
    return project.local("run")


def streams(run: Ended) -> dict[str, tuple[int, ...]]:
    return {stream["table"]: tuple(stream["rows"].values()) for stream in run.answer["streams"]}


def test_run_reports_the_numbers_of_rows_of_each_stream_and_of_all_streams_together(
    project: OwnProject, first: Ended
) -> None:
    assert first.code == 0, first.said
    assert streams(first) == {
        "raw_data.hours": (20, 20, 0, 0),
        "raw_data.invoices": (4, 2, 1, 1),
        "raw_data.bank": (2, 2, 0, 0),
        "tap_jsonl.events": (300, 300, 0, 0),
    }
    assert first.answer["rows"] == {"read": 326, "loaded": 324, "quarantined": 1, "replaced": 1}
    sources = {stream["table"]: stream["source"] for stream in first.answer["streams"]}
    assert sources["raw_data.bank"] == "tap-csv--bank" and sources["tap_jsonl.events"] == "tap-jsonl"
    (bad,) = first.answer["quarantine"]
    assert (bad["entity"], bad["file"], bad["line"]) == ("invoices", "a $HOME.csv", 5)


def test_packages_seeds_macros_snapshots_and_tests_of_the_dbt_project_are_used(
    project: OwnProject, first: Ended
) -> None:
    assert project.query("SELECT project, value FROM marts.worked ORDER BY 1") == [("print", 600.0), ("web", 900.0)]
    assert project.query("SELECT number, due FROM marts.open ORDER BY 1") == [("R1", 0), ("R2", 210)]
    assert project.query("SELECT kind, times FROM marts.seen ORDER BY 1") == [("click", 100), ("view", 200)]
    assert project.query("SELECT count(*) FROM staging.rates_then") == [(2,)]
    checks = {check["test_name"]: check["status"] for check in first.answer["checks"]}
    own = {"unique_invoiced_number", "not_null_invoiced_number", "no_negative_value", "open_is_what_is_not_paid"}
    assert own <= set(checks) and set(checks.values()) == {"pass"}


def test_each_mart_is_published_as_a_parquet_file(project: OwnProject, first: Ended) -> None:
    folder = project.published.with_name("warehouse-parquet")
    marts = {"worked", "invoiced", "paid", "seen", "open"}
    assert {file.stem for file in folder.iterdir()} == marts
    for mart in marts:
        in_file = duckdb.sql(f"SELECT * FROM '{folder}/{mart}.parquet' ORDER BY ALL")
        assert in_file.fetchall() == project.query(f"SELECT * FROM marts.{mart} ORDER BY ALL")


def test_run_without_new_files_reads_no_file_of_tap_csv_and_keeps_all_rows(project: OwnProject, first: Ended) -> None:
    again = project.local("run")
    assert again.code == 0, again.said
    read = {table: rows[0] for table, rows in streams(again).items()}
    assert read.pop("tap_jsonl.events") == 300, "this tap reads every file again"
    assert set(read.values()) == {0}
    assert project.query("SELECT count(*) FROM tap_jsonl.events") == [(300,)]


def test_option_source_limits_a_run_to_the_source_that_it_names(project: OwnProject, first: Ended) -> None:
    project.land("bank/february.csv", "ref;amount\nR2;10\n")
    project.land("hours2.csv", HOURS.replace("h1,", "h100,"))
    run = project.local("run", "--source", "tap-csv--bank")
    assert streams(run) == {"raw_data.bank": (1, 1, 0, 0)}
    unknown = project.local("run", "--source", "tap-none")
    assert unknown.code == 2 and "tap-csv--bank" in unknown.answer["next"]


def test_option_csv_needs_the_option_entity_if_several_entities_are_declared(
    project: OwnProject, tmp_path: Path
) -> None:
    file = tmp_path / "more.csv"
    file.write_text("number,issued,total\nR4,2026-03-31,7\n")
    refused = project.local("run", "--csv", str(file))
    assert refused.code == 2 and "hours, invoices, bank" in refused.answer["next"]
    assert project.local("run", "--csv", str(file), "--entity", "none").code == 2
    run = project.local("run", "--csv", str(file), "--entity", "invoices")
    assert streams(run) == {"raw_data.invoices": (1, 1, 0, 0)}


def test_error_names_the_file_that_matches_no_entity_and_other_files_are_published(
    project: OwnProject, first: Ended
) -> None:
    stray = project.land("notes.txt", "hello")
    project.land("bank/march.csv", "ref;amount\nR3;5\n")
    run = project.local("run")
    stray.unlink()
    assert (run.code, run.answer["status"]) == (6, "succeeded") and run.answer["published"]
    assert "1 of 7 files was refused: notes.txt: the path of no entity matches it" in run.answer["error"]
    assert [file["file"] for file in run.answer["refused"]] == ["notes.txt"]
    assert project.query("SELECT count(*) FROM marts.paid") == [(4,)]


def test_plugins_are_not_installed_again_after_the_path_of_an_entity_changed(project: OwnProject, first: Ended) -> None:
    mark = project.folder / "data_stack" / "meltano" / ".meltano" / "installed"
    before = mark.stat().st_mtime_ns
    text = project.meltano_file.read_text()
    project.meltano_file.write_text(text.replace("hours*.csv", "time/*"))
    project.land("time/late.csv", "id,project,day,minutes\nh900,web,2026-04-01,60\n")
    for file in project.landing.glob("*.[cC][sS][vV]"):
        file.unlink()
    run = project.local("run", "--source", "tap-csv")
    assert run.code == 0 and streams(run)["raw_data.hours"] == (1, 1, 0, 0), run.said
    assert "installing" not in run.said and mark.stat().st_mtime_ns == before


def test_run_with_the_option_plan_shows_the_changes_and_publishes_nothing(project: OwnProject, tmp_path: Path) -> None:
    file, before = tmp_path / "corrected.csv", project.published.read_bytes()
    file.write_text("number,issued,total\nR1,2026-01-31,90.5\nR5,2026-05-01,3\n")
    words = ("--csv", str(file), "--entity", "invoices")
    plan = project.local("run", *words, "--plan")
    assert (plan.code, plan.answer["published"]) == (0, None), plan.said
    diff = {mart["mart"]: mart for mart in plan.answer["diff"]}
    assert set(diff) == {"invoiced", "open"}
    invoiced = diff["invoiced"]
    assert (invoiced["key"], invoiced["added"], invoiced["changed"], invoiced["removed"]) == ("number", 1, 1, 0)
    assert invoiced["sums"]["total"] == {"published": "317.50", "new": "310.50"}
    assert (diff["open"]["added"], diff["open"]["changed"], diff["open"]["removed"]) == (2, None, 1)
    waits = project.local("run", *words, "--approve-over", "10%")
    assert (waits.code, waits.answer["published"]) == (6, None)
    assert "invoiced by 66.7%" in waits.answer["error"]
    assert project.published.read_bytes() == before
    assert waits.answer["next"] == f"fds run --local --csv {file} --entity invoices"
    assert project.local(*waits.answer["next"].split()[1:2], *waits.answer["next"].split()[3:]).code == 0
    assert project.local("run", *words, "--approve-over", "10%").code == 0, "the second run changes nothing"
    assert project.local("run", *words, "--approve-over", "ten").code == 2
    for option in ("--approve-over", "--source"):
        assert project.local("run", *words, option, "").code == 2, f"{option} without a value has no effect"


def test_diff_shows_a_changed_and_a_removed_model_and_the_next_run_drops_the_removed_mart(
    project: OwnProject, first: Ended
) -> None:
    (project.models / "seen.sql").unlink()
    paid = project.models / "paid.sql"
    paid.write_text(paid.read_text().replace("amount", "amount * 2 as amount"))
    diff = project.local("diff")
    assert diff.code == 0 and diff.answer["published"] is None, diff.said
    found = {mart["mart"]: mart for mart in diff.answer["diff"]}
    assert found["seen"]["columns"] == ["mart removed"] and found["seen"]["share"] == 1.0
    assert "amount" in str(found["paid"]) and "marts.seen" not in str(found)
    assert project.query("SELECT count(*) FROM marts.seen") == [(2,)]
    assert project.local("run", "--source", "tap-csv--bank").code == 0
    gone = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'seen'"
    assert project.query(gone) == [(0,)]
    assert not (project.published.with_name("warehouse-parquet") / "seen.parquet").exists()


def test_fds_dbt_changes_only_a_copy_of_the_published_data(project: OwnProject, first: Ended) -> None:
    before = project.published.read_bytes()
    (project.models / "draft.sql").write_text("select 1 as one")
    made = project.fds("dbt", "--local", "--", "run", "--select", "draft")
    assert made.returncode == 0, made.stdout
    kept = project.fds("dbt", "--local", "--", "show", "--inline", "select one + 41 as answer from {{ ref('draft') }}")
    assert "42" in kept.stdout, "the copy must stay until new data is published"
    assert project.fds("dbt", "--local", "--", "no-such-verb").returncode != 0
    assert project.fds("dbt", "--local", "--", "docs", "generate").returncode == 0
    assert project.published.read_bytes() == before
    (project.models / "draft.sql").unlink()


def test_loader_that_overwrites_its_tables_gets_all_rows_in_each_run(project: OwnProject, first: Ended) -> None:
    text = project.meltano_file.read_text()
    project.meltano_file.write_text(text.replace("load_method: upsert", "load_method: overwrite"))
    project.land("bank/april.csv", "ref;amount\nR4;1\n")
    for _ in range(2):
        run = project.local("run", "--source", "tap-csv--bank")
        assert run.code == 0 and streams(run) == {"raw_data.bank": (5, 5, 0, 0)}, run.said
    project.meltano_file.write_text(text)
    assert project.query("SELECT count(*) FROM marts.paid") == [(5,)]


def test_two_sources_that_load_into_the_same_table_are_refused(project: OwnProject, first: Ended) -> None:
    text = project.meltano_file.read_text()
    project.meltano_file.write_text(
        text.replace("namespace: tap_jsonl", "namespace: tap_jsonl\n    load_schema: raw_data")
        .replace("stream_name: events", "stream_name: hours")
    )  # fmt: skip
    write_events(project, 5)
    run = project.local("run")
    project.meltano_file.write_text(text)
    assert run.code == 6 and run.answer["published"] is None
    assert "both load into raw_data.hours" in run.answer["error"]


@pytest.mark.slow
def test_error_for_an_invalid_project_names_the_invalid_part(project: OwnProject, first: Ended) -> None:
    text = project.meltano_file.read_text()
    for wrong in (
        text.replace("inherit_from: tap-csv", "inherit_from: tap-none"),
        "plugins: [",
        text.replace("hours", "bank"),
    ):
        project.meltano_file.write_text(wrong)
        run = project.local("run")
        assert run.code == 2 and "meltano.yml" in run.answer["where"] and run.answer["next"], run.said
    project.meltano_file.write_text(text)
    model = project.models / "paid.sql"
    good = model.read_text()
    model.write_text("select {{ no_such_macro() }}")
    run = project.local("run")
    model.write_text(good)
    assert run.code == 6 and "no_such_macro" in run.answer["error"]
    shutil.rmtree(project.folder / "data_stack" / "dbt" / "package")
    (project.folder / "data_stack" / "dbt" / "packages.yml").write_text("packages:\n  - local: no_such_folder\n")
    run = project.local("run")
    assert run.code == 6 and "packages of the models" in run.answer["error"]


@pytest.mark.slow
def test_other_sources_are_loaded_if_one_source_has_no_readable_file(tmp_path: Path) -> None:
    """In the first run, the only file of tap-csv is refused, and the rows of tap-jsonl are published."""
    project = make_project(tmp_path)
    for name in (
        "worked",
        "paid",
        "open",
    ):  # delete the models that need `hours` or `bank`, which this test does not load
        (project.models / f"{name}.sql").unlink()
    (project.models / "models.yml").unlink()
    (project.folder / "data_stack" / "dbt" / "tests" / "no_negative_value.sql").unlink()
    refused = project.land("invoices/scan.csv", "%PDF-1.7")
    write_events(project, 30)
    run = project.local("run")
    assert (run.code, run.answer["status"]) == (6, "succeeded") and run.answer["published"], run.said
    assert run.answer["error"].startswith("1 of 1 files was refused: scan.csv: ") and "is a PDF" in run.answer["error"]
    assert [(file["entity"], file["file"]) for file in run.answer["refused"]] == [("invoices", "scan.csv")]
    assert "disabled" not in run.said and streams(run)["tap_jsonl.events"] == (30, 30, 0, 0)
    assert project.query("SELECT sum(times) FROM marts.seen") == [(30,)]
    assert project.query("SELECT count(*) FROM marts.invoiced") == [(0,)]
    refused.write_text(INVOICES)
    assert project.local("run").code == 0 and project.query("SELECT count(*) FROM marts.invoiced") == [(2,)]
