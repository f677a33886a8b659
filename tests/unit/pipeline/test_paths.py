"""Names of databases, and folders that belong to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.paths import beside, of_runner, readable


@pytest.mark.parametrize("name", ["a.duckdb", "my-data.db", "_x9.ddb"])
def test_a_database_has_its_private_folder_beside_it(tmp_path: Path, name: str) -> None:
    paths = beside(tmp_path / name)
    paths.make()
    assert paths.published == tmp_path / name
    assert paths.root == tmp_path / f"{name}.fds"
    assert paths.work.is_dir() and paths.landing.is_dir()


@pytest.mark.parametrize("name", ["main.duckdb", "TEMP.db", "a.b.duckdb", "9.duckdb", "a b.duckdb", "a.csv", ".duckdb"])
def test_a_name_that_duckdb_cannot_use_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ends in \.duckdb"):
        beside(tmp_path / name)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        beside(tmp_path / "a.duckdb")


def test_readers_of_the_runner_see_a_folder_of_their_own() -> None:
    paths = of_runner(Path("/data"))
    assert paths.published.parent == Path("/data/published")
    assert paths.published.parent not in paths.root.parents


def test_a_place_below_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make a folder"):
        beside(tmp_path / "file" / "a.duckdb").make()


@pytest.mark.parametrize(("make", "says"), [(False, "no such CSV file"), (True, "is a folder")])
def test_what_is_no_file_cannot_be_loaded(tmp_path: Path, make: bool, says: str) -> None:
    if make:
        (tmp_path / "a.csv").mkdir()
    with pytest.raises(UsageError, match=says):
        readable(tmp_path / "a.csv")


@pytest.mark.parametrize("folder", ["a$HOME", "a#b", "50%", "a[1]", "a*"])
def test_a_path_that_meltano_would_read_otherwise_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UsageError, match="cannot hold"):
        beside(tmp_path / folder / "a.duckdb")
