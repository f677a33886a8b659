"""Test which files `fds init` writes from a wheel, and which names and folders it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.project.conftest import fds, init
from tests.kit import wheel
from tests.kit.project import ROOT


@pytest.mark.parametrize("name", ["a/b", "../up", "1st", "-x", "two words", "", ".", "é", "x" * 80])
def test_invalid_project_name_is_refused(installed: wheel.Installed, tmp_path: Path, name: str) -> None:
    done = fds(installed, tmp_path, "init", "--", name)
    assert done.returncode == 2 and "a project's name begins with a letter" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["dbt", "dbt-duckdb", "DBT_DuckDB"])
def test_project_name_that_is_the_name_of_a_dbt_package_is_refused(
    installed: wheel.Installed, tmp_path: Path, name: str
) -> None:
    """No run would succeed, because dbt refuses a project with the name of one of dbt's own packages."""
    done = fds(installed, tmp_path, "init", name)
    assert done.returncode == 2 and "dbt has a package of this name" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_existing_file_or_nonempty_folder_is_refused_and_kept(installed: wheel.Installed, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("a file")
    for name in ("mine", "file"):
        done = fds(installed, tmp_path, "init", name)
        assert done.returncode == 2 and "already exists" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_project_is_created_in_an_existing_empty_folder(installed: wheel.Installed, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert (init(installed, tmp_path, "mine").folder / "Pulumi.yaml").is_file()


def test_folder_that_cannot_be_written_is_refused_without_a_traceback(installed: wheel.Installed) -> None:
    done = fds(installed, Path("/proc"), "init", "mine")
    assert done.returncode == 2 and "cannot be written" in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_demo_project_has_the_content_of_the_repository(installed: wheel.Installed, tmp_path: Path) -> None:
    project = init(installed, tmp_path, "mine", "--demo")
    for folder in ("airflow/dags", "dashboards", "dbt/models", "dbt/macros", "dbt/tests"):
        here = {path.relative_to(ROOT / "data_stack") for path in (ROOT / "data_stack" / folder).rglob("*.*")}
        assert here and not [path for path in here if not (project.content / path).exists()]
    text = (ROOT / "data_stack" / "meltano" / "meltano.yml").read_text()
    ours, theirs = yaml.safe_load(text), yaml.safe_load((project.content / "meltano" / "meltano.yml").read_text())
    assert theirs.pop("project_id") != ours.pop("project_id") and theirs == ours
    assert (project.content / "samples" / "transactions.csv").is_file()
    assert not (project.content / "singer").exists() and not (project.content / "streamlit").exists()
    assert [path.name for path in (project.content / "airflow").iterdir()] == ["dags"]


def test_project_without_demo_has_no_demo_content_and_fds_run_says_that_no_entity_is_declared(
    installed: wheel.Installed, tmp_path: Path
) -> None:
    project = init(installed, tmp_path, "own-data")
    text = {name: file.decode() for name, file in project.files().items()}
    assert not [name for name, found in text.items() if "customer" in found or "transaction" in found]
    assert [name for name in text if "airflow" in name] == ["data_stack/airflow/dags/README.md"]
    assert yaml.safe_load(text["data_stack/dbt/dbt_project.yml"])["profile"] == "own_data"
    assert "own_data" in yaml.safe_load(text["data_stack/dbt/profiles.yml"])
    for options in ((), ("--csv", str(ROOT / "README.md"))):
        done = project.fds("run", "--local", *options)
        assert done.returncode == 2 and "no entity is declared yet" in done.stderr, done.stderr
        assert "entities" in done.stderr.partition("next:")[2]
