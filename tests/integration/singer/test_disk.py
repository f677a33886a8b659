"""Run the tap and the target on a full disk: they exit with 1 and a clear error, and the database stays readable."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.singer import Kit

_ROWS = 300_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 8 MB, and yield its folder; skip the test if mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system is not allowed here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def large(kit: Kit) -> Path:
    """Write a CSV file of about 17 MB with random values, and return its path."""
    rows = (f"{i},{os.urandom(24).hex()}\n" for i in range(_ROWS))
    return kit.csv("id,name\n" + "".join(rows))


def test_target_reports_a_full_disk_and_keeps_the_rows_of_earlier_loads(kit: Kit, small_disk: Path) -> None:
    database = small_disk / "warehouse.duckdb"
    first = kit.tap(kit.csv("id,name\n1,a\n"))
    assert kit.target(first.out, path=str(database)).code == 0
    done = kit.target(kit.tap(large(kit)).out, path=str(database))
    assert done.code == 1
    assert "no space left on the disk" in done.sentence
    assert not done.out
    assert Kit(small_disk).query("SELECT * FROM t") == [("1", "a")]


def test_tap_reports_a_full_disk_and_sends_no_batch(kit: Kit, small_disk: Path) -> None:
    storage = {"root": (small_disk / "batches").as_uri()}
    path = large(kit)
    done = kit.tap(path, batch=False, batch_config={"encoding": {"format": "parquet"}, "storage": storage})
    assert done.code == 1
    assert "no space left on the disk" in done.sentence
    assert not [m for m in done.messages if m["type"] == "BATCH"]
