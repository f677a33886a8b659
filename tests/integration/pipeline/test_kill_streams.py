"""Kill a run over three streams at random moments: readers see either all of the old data or all of the new data."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.integration.pipeline.own_project import OwnProject, make_project, write_events

ROWS = 100_000
"""Number of rows that each load adds to each of three streams."""
KILLS = 20
END_S = 60
"""Seconds until all processes of a killed run must have ended."""
COUNTS = """SELECT (SELECT count(*) FROM raw_data.hours), (SELECT count(*) FROM raw_data.invoices),
    (SELECT count(*) FROM raw_data.bank), (SELECT count(*) FROM marts.invoiced),
    (SELECT sum(total) FROM marts.invoiced)::DOUBLE"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    """Return a project with ten published rows of each stream."""
    made = make_project(tmp_path_factory.mktemp("killed"))
    write_events(made, 10)
    land(made, "first", 0, 10)
    first = made.local("run")
    assert first.code == 0, first.said
    return made


def land(project: OwnProject, name: str, start: int, count: int) -> None:
    """Write files of three entities, each with `count` rows whose keys start at `start`."""
    header_and_row = {
        f"hours-{name}.csv": ("id,project,day,minutes", "'h' || i || ',web,2026-01-05,60'"),
        f"invoices/{name}.csv": ("number,issued,total", "'R' || i || ',2026-01-31,1.25'"),
        f"bank/{name}.csv": ("ref;amount", "'R' || i || ';1.25'"),
    }
    for file, (header, row) in header_and_row.items():
        rows = duckdb.sql(f"SELECT string_agg({row}, chr(10) ORDER BY i) FROM range({start}, {start + count}) AS t(i)")
        project.land(file, f"{header}\n{rows.fetchall()[0][0]}\n")


@pytest.mark.slow
def test_run_killed_at_a_random_moment_publishes_all_streams_or_none(project: OwnProject) -> None:
    moments = random.Random(20)
    before, after = land_more(project)
    killed, longest = 0, 12.0
    while killed < KILLS:
        seconds = moments.uniform(0.2, longest)
        code = run_and_kill(project, seconds)
        (seen,) = project.query(COUNTS)
        assert seen in (before, after), f"killed after {seconds} s"
        if code is None:
            killed += 1
        else:
            assert code == 0
            longest = seconds  # this run ended before its kill, so kill the next runs after a shorter time
        if seen == after:
            before, after = land_more(project)
    last = project.local("run")
    assert last.code == 0, last.said
    assert project.query(COUNTS) == [after]
    assert list((project.landing.parent / "work").iterdir()) == []


def land_more(project: OwnProject) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Write new files. Returns: the counts that readers see now, and the counts that they must see after the load."""
    (before,) = project.query(COUNTS)
    land(project, f"from-{before[0]}", before[0], ROWS)
    count = before[0] + ROWS
    return before, (count, count, count, count, count * 1.25)


def run_and_kill(project: OwnProject, seconds: float) -> int | None:
    """Start a run, and kill it if it still runs after `seconds`. Returns: its exit code, or None if it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fds.main", "run", "--local", "--json"], cwd=project.folder,
        env=project.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(END_S)
        wait_for_orphans(str(project.landing.parent / "work"))
        return None


def wait_for_orphans(work: str) -> None:
    """Wait until no process of the killed run is left: none has the run's working folder in its command line."""
    end = time.monotonic() + END_S
    while time.monotonic() < end:
        if not any(work in _command_line(process) for process in Path("/proc").glob("[0-9]*")):
            return
        time.sleep(0.05)
    raise TimeoutError("a process of the killed run still runs")


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
