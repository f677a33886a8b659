"""Run the pipeline on landing folders with very many files, and with files and folders that cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stack_runtime.pipeline.paths import beside
from tests.integration.pipeline.conftest import command, fds_run, rows, write_csv
from tests.integration.pipeline.test_local_run import counts, query

NOT_UTF8 = os.fsdecode(b"Ums\xe4tze.csv")


@pytest.mark.slow
def test_files_whose_paths_do_not_fit_into_an_environment_variable_are_loaded(tmp_path: Path) -> None:
    """Linux limits one environment variable to 128 KiB; the names of these files have 150 KB."""
    database = tmp_path / "warehouse.duckdb"
    landing = beside(database).landing
    landing.mkdir(parents=True)
    for number in range(600):
        write_csv(landing / f"{'x' * 240}{number:06}.csv", rows(number, 1))
    assert counts(fds_run(database)) == (600, 600, 0)
    assert query(database, "SELECT count(*) FROM marts.fact_transactions") == [(600,)]
    data = tmp_path / "data"
    data.mkdir()
    landing.rename(data / "landing")
    found = command("stack_runtime.pipeline", "discover", environment={"FDS_DATA_DIR": str(data)})
    assert found.code == 0 and "transactions" in str(found.answer)


def test_what_cannot_be_loaded_is_refused_with_a_reason_and_the_other_files_are_published(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    landing = beside(database).landing
    landing.mkdir(parents=True)
    for name in ("a.csv", NOT_UTF8):
        write_csv(landing / name, rows(1, 5))
    (tmp_path / "elsewhere").mkdir()
    (landing / "linked").symlink_to(tmp_path / "elsewhere")
    run = fds_run(database)
    assert (run.code, run.answer["status"], counts(run)) == (6, "succeeded", (5, 5, 0)), run.said
    reasons = {file["file"]: file["reason"] for file in run.answer["refused"]}
    assert reasons == {
        "Ums\\xe4tze.csv": "its name is not valid UTF-8; rename it",
        "linked": "it is a link to a folder; copy the folder itself",
    }


def test_given_file_whose_name_is_not_utf_8_is_refused_with_one_sentence(tmp_path: Path) -> None:
    run = fds_run(tmp_path / "warehouse.duckdb", write_csv(tmp_path / NOT_UTF8, rows(1, 5)))
    assert run.code == 2 and run.answer["error"] == "its name is not valid UTF-8; rename it"
    assert run.answer["where"].endswith("Ums\\xe4tze.csv")
