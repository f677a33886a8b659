"""Load bad files, and check for each the exit code and either the row counts or the error message.

Also fill the disk during a run.
"""

from __future__ import annotations

import random
import shlex
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack_runtime.pipeline.model import STEPS
from tests.integration.pipeline.conftest import HEADER, fds_run, local_run, rows, write_csv
from tests.integration.pipeline.test_local_run import counts, digest

GOOD = rows(1, 20)


def text(*lines: str, end_of_line: str = "\n") -> bytes:
    return (end_of_line.join((HEADER, *lines)) + end_of_line).encode()


@dataclass(frozen=True)
class Case:
    """The content of a file, and the expected result of a run that loads it.

    The result is the exit code, and either `rows` (read, loaded, quarantined) or a part of the error message.
    """

    content: bytes
    code: int
    rows: tuple[int, int, int] | None = None
    says: str = ""


NASTY = (
    *GOOD,
    f"90,2026-01-01,C1,5,EUR,consulting,{'x' * 50_000_000}",
    "91,2026-01-01",
    "92,2026-01-01,C1,5,EUR,consulting,a,b,c",
    ",2026-01-01,C1,5,EUR,consulting,nobody",
    '93,2026-01-01,C1,5,EUR,fees,"two\nlines, ""one"" record"',
)
"""25 CSV rows. Four are bad: a row of 50 MB, two rows with a wrong number of fields, and a row without a key."""

CASES = {
    "empty": Case(b"", 6, says="empty"),
    "no_header_fits": Case(b"a;b\n1;2\n", 6, says="id"),
    "latin_1": Case(text("1,2026-01-01,C1,5,EUR,fees,caf\u00e9").decode().encode("latin-1"), 6, says="utf-8"),
    "binary": Case(bytes(range(256)) * 64, 6),
    "a_column_is_missing": Case(text(*GOOD).replace(b",category", b""), 6, says="lacks 'category'"),
    "mostly_unreadable": Case(text(*rows(1, 50), *rows(51, 30, "n/a")), 6, says="line 52"),
    "nothing_readable": Case(text(*rows(1, 5, "1.234,56".replace(",", "."))), 6, says="5 of 5 rows cannot be loaded"),
    "few_but_bad": Case(text(*rows(1, 2), *rows(3, 6, "n/a"), "9,yesterday,C1,1,EUR,fees,x"), 0, (9, 2, 7)),
    "header_only": Case(text(), 0, (0, 0, 0)),
    "nasty": Case(b"\xef\xbb\xbf" + text(*NASTY, end_of_line="\r\n"), 0, (25, 21, 4)),
    "semicolons_and_a_type_that_changes": Case(
        text(*rows(1, 3000), *rows(3001, 10, "n/a")).replace(b",", b";"), 0, (3010, 3000, 10)
    ),
}

MAIN_CASES = ("binary", "a_column_is_missing", "mostly_unreadable", "few_but_bad", "nasty")
"""The cases that `make test` runs. Three of the files are refused, and some rows of the other two are loaded."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of one database for all cases: refused files leave it unchanged, others load rows."""
    return tmp_path_factory.mktemp("bad") / "warehouse.duckdb"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in MAIN_CASES else pytest.mark.slow) for name in CASES]
)
def test_load_of_a_bad_file_gives_the_expected_row_counts_or_message(name: str, database: Path) -> None:
    case, file = CASES[name], database.with_name(f"{name}.csv")
    file.write_bytes(case.content)
    before = digest(database) if database.exists() else None
    run = fds_run(database, file)
    assert run.code == case.code, run.answer
    if case.rows:
        assert counts(run) == case.rows
        assert len(run.answer["quarantine"]) == case.rows[2]
    else:
        assert (digest(database) if database.exists() else None) == before
        assert run.answer["status"] == "failed" and run.answer["published"] is None
        assert case.says in run.answer["error"].lower()
        assert file.name in run.answer["error"] and "/work/" not in run.answer["error"], "name the user's file"
        assert "\n" not in run.answer["error"] and len(run.answer["error"]) < 900


def on_a_small_disk(disk: Path, megabytes: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command for which `disk` is a small file system, and then list the files in `disk` on standard error.

    The file system is mounted in a mount namespace of the command, so this works for an ordinary user.
    """
    disk.mkdir(parents=True)
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs {disk}"
    script = f"{mount}; {shlex.join(command)}; code=$?; ls -A {disk} >&2; exit $code"
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    return subprocess.run(unshare, capture_output=True, text=True, timeout=400, check=False)


@pytest.mark.parametrize("megabytes", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_full_disk_during_a_load_ends_the_run_with_exit_code_5(tmp_path: Path, megabytes: int) -> None:
    noise = random.Random(1)
    lines = [
        f"{row} {noise.randbytes(150).hex()}" for row in rows(1, 20_000)
    ]  # random data hardly compresses, so it fills the disk
    disk, file = tmp_path / "disk", write_csv(tmp_path / "a.csv", lines)
    command = [sys.executable, "-m", *local_run(disk / "warehouse.duckdb", file)]
    refused(on_a_small_disk(disk, megabytes, command))


@pytest.mark.slow
def test_full_disk_during_publishing_ends_the_run_with_exit_code_5(tmp_path: Path) -> None:
    data, file = tmp_path / "data", write_csv(tmp_path / "a.csv", rows(1, 10))
    run = [sys.executable, "-m", "stack_runtime.pipeline", "run", "--json", "--csv", str(file)]
    refused(on_a_small_disk(data / "published", 1, ["env", f"FDS_DATA_DIR={data}", *run]))
    with sqlite3.connect(data / "private" / "runs.sqlite") as records:
        steps = records.execute("SELECT name FROM steps ORDER BY position").fetchall()
    assert [name for (name,) in steps] == list(STEPS)


def refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 5, done.stdout + done.stderr
    assert "disk is full" in done.stdout
    assert "Traceback" not in done.stderr
    assert not {name for name in done.stderr.split() if name.endswith((".duckdb", ".incoming"))}
