"""Test which paths of a database are valid, and which folders a pipeline uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.paths import beside, of_runner, readable


@pytest.mark.parametrize("name", ["a.duckdb", "my-data.db", "_x9.ddb"])
def test_private_folder_of_a_local_pipeline_is_next_to_its_database(tmp_path: Path, name: str) -> None:
    paths = beside(tmp_path / name)
    paths.make()
    assert paths.published == tmp_path / name
    assert paths.root == tmp_path / f"{name}.fds"
    assert paths.work.is_dir() and paths.landing.is_dir()


@pytest.mark.parametrize("name", ["main.duckdb", "TEMP.db", "a.b.duckdb", "9.duckdb", "a b.duckdb", "a.csv", ".duckdb"])
def test_invalid_file_name_of_a_database_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ends in \.duckdb"):
        beside(tmp_path / name)


def test_folder_is_not_accepted_as_a_database(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        beside(tmp_path / "a.duckdb")


def test_private_folder_of_a_runner_is_outside_the_folder_of_the_published_database() -> None:
    paths = of_runner(Path("/data"))
    assert paths.published.parent == Path("/data/published")
    assert paths.published.parent not in paths.root.parents


def test_database_path_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="a folder cannot be created"):
        beside(tmp_path / "file" / "a.duckdb").make()


@pytest.mark.parametrize(("make", "says"), [(False, "no such CSV file"), (True, "is a folder")])
def test_path_that_is_not_an_existing_file_cannot_be_loaded(tmp_path: Path, make: bool, says: str) -> None:
    if make:
        (tmp_path / "a.csv").mkdir()
    with pytest.raises(UsageError, match=says):
        readable(tmp_path / "a.csv")


@pytest.mark.parametrize("folder", ["a$HOME", "a#b", "50%", "a[1]", "a*"])
def test_database_path_with_a_character_that_is_special_in_variables_globs_or_urls_is_refused(
    tmp_path: Path, folder: str
) -> None:
    with pytest.raises(UsageError, match="cannot contain"):
        beside(tmp_path / folder / "a.duckdb")
