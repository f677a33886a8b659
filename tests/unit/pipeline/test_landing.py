"""Test that each file and folder of the landing folder is either loaded or refused with a reason."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.landing import landed_files
from stack_runtime.pipeline.paths import readable
from stack_runtime.pipeline.sources import Selection, Source, refuse_empty, select_landed

NOT_UTF8 = os.fsdecode(b"Ums\xe4tze.csv")


def make(landing: Path, *names: str) -> Path:
    for name in names:
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).touch()
    return landing


def names(landing: Path, files: list[Path]) -> list[str]:
    return [str(file.relative_to(landing)) for file in files]


@contextmanager
def without_rights() -> Iterator[None]:
    """Run the block as an ordinary user, because root can read every folder."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that other users can read, unlike the folders of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for inside in folder.rglob("*"):
        if inside.is_dir():
            inside.chmod(0o755)
    shutil.rmtree(folder)


def test_hidden_files_and_uploads_are_left_out(tmp_path: Path) -> None:
    names_ = ("a.csv", ".a.csv", ".git/a.csv", "b/.git/a.csv", "uploads/0/a.csv", "b/uploads/a.csv")
    files, refused = landed_files(make(tmp_path, *names_))
    assert (names(tmp_path, files), refused) == (["a.csv", "b/uploads/a.csv"], [])
    assert landed_files(tmp_path / "none") == ([], [])


def test_files_are_in_the_order_of_their_paths(tmp_path: Path) -> None:
    files, _ = landed_files(make(tmp_path, "b/x.csv", "b.csv", "a/2/y.csv", "a/1.csv", "a-1.csv"))
    assert files == sorted(files) and len(files) == 5


def test_link_to_a_folder_is_refused_and_its_files_are_not_loaded(tmp_path: Path) -> None:
    landing = make(tmp_path / "landing", "b/a.csv")
    make(tmp_path / "elsewhere", "c.csv")
    for link in ("linked", "b/linked", "b/.hidden"):
        (landing / link).symlink_to(tmp_path / "elsewhere")
    (landing / "b" / "round").symlink_to(landing)
    files, refused = landed_files(landing)
    assert names(landing, files) == ["b/a.csv"]
    assert names(landing, [path for path, _ in refused]) == ["b/linked", "b/round", "linked"]
    assert {why for _, why in refused} == {"it is a link to a folder; copy the folder itself"}


@pytest.mark.parametrize(
    ("mode", "why"), [(0o000, "the folder cannot be read"), (0o444, "cannot be read"), (0o111, "the folder cannot")]
)
def test_folder_that_cannot_be_entered_is_refused_and_other_files_are_loaded(
    open_folder: Path, mode: int, why: str
) -> None:
    landing = make(open_folder, "a.csv", "closed/b.csv", "closed/inside/c.csv", "z/d.csv")
    (landing / "closed").chmod(mode)
    with without_rights():
        files, refused = landed_files(landing)
    assert names(landing, files) == ["a.csv", "z/d.csv"]
    expected = ["closed/b.csv", "closed/inside"] if mode & 0o444 else ["closed"]
    assert names(landing, [path for path, _ in refused]) == expected
    assert all(why in reason and reason.endswith("Permission denied") for _, reason in refused)


@pytest.mark.parametrize("name", [NOT_UTF8, os.fsdecode(b"Ums\xe4tze/a.csv")])
def test_file_whose_name_is_not_utf_8_is_refused_and_the_others_are_loaded(tmp_path: Path, name: str) -> None:
    landing = make(tmp_path, "a.csv", "Umsätze.csv", name)
    files, refused = landed_files(landing)
    assert sorted(names(landing, files)) == ["Umsätze.csv", "a.csv"]
    ((path, why),) = refused
    assert "Ums\\xe4tze" in str(path) and why == "its name is not valid UTF-8; rename it"


def test_file_outside_the_landing_folder_whose_name_is_not_utf_8_is_refused_once(tmp_path: Path) -> None:
    make(tmp_path / "mine", "a.csv", NOT_UTF8)
    paths = [f"{tmp_path}/mine/*.csv", f"{tmp_path}/mine/Ums*"]
    source = Source("tap-csv", ({"entity": "t", "paths": paths, "keys": ["id"]},), {})
    found = select_landed((source,), tmp_path / "landing")
    assert found.files["t"] == (tmp_path / "mine" / "a.csv",)
    ((path, _),) = found.unclaimed
    assert path.name == "Ums\\xe4tze.csv"
    with pytest.raises(UsageError, match="rename it"):
        refuse_empty(Selection((), {}, found.unclaimed), tmp_path / "landing")


def test_given_file_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    make(tmp_path, NOT_UTF8)
    with pytest.raises(UsageError, match="its name is not valid UTF-8; rename it") as caught:
        readable(tmp_path / NOT_UTF8)
    assert caught.value.where.endswith("Ums\\xe4tze.csv")
