"""Fill the disk during a run of the DAG `pipeline`: the run reports the full disk and continues once space is free."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack_runtime.errors import UnreachableError
from tests.integration.orchestration.conftest import Orchestration, csv_of, orchestration, wait_for
from tests.integration.orchestration.published import assert_same_in_postgres, held_in_publish, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

SIZE_MB = 700
LEFT_MB = 1
ROWS = 20_000
SAID = "the disk is full, "


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the mount point of a file system of `SIZE_MB` MB."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def stack(disk: Path) -> Iterator[Orchestration]:
    """Yield a stack that has all its volumes on the small file system, and that has published the sample."""
    with orchestration({"executor": "celery"}, disk=disk) as found:
        found.publish_sample()
        yield found


def _begin_wal_segment(stack: Orchestration) -> None:
    """Make PostgreSQL create the next file (16 MB) of its write-ahead log while there is space on the disk.

    PostgreSQL stops if it must create such a file while the disk is full. Without PostgreSQL, Airflow does not answer,
    so the test could not read what the run reports.
    """
    postgres = stack.services["postgres"]
    password = postgres.context.secrets["postgres_password"]
    with psycopg.connect(host=postgres.address, user="postgres", password=password, autocommit=True) as connection:
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


def _fill(stack: Orchestration, disk: Path) -> Path:
    """Fill the disk until `LEFT_MB` MB are free, and return the file that takes the space."""
    _begin_wal_segment(stack)
    filler = disk / "filler"
    block = b"\0" * 2**20
    with filler.open("wb") as file:
        while shutil.disk_usage(disk).free > LEFT_MB * 2**20:
            file.write(block[: shutil.disk_usage(disk).free - LEFT_MB * 2**20])
            file.flush()
    return filler


@pytest.mark.parametrize("task", ["begin", "publish"])
def test_full_disk_delays_a_run_until_space_is_free_and_changes_no_published_data(
    stack: Orchestration, disk: Path, task: str
) -> None:
    (disk / "filler").unlink(missing_ok=True)  # this file still exists if the test for the other task failed
    before, run_id = published(stack), f"full-{task}"
    stack.land(f"{run_id}.csv", csv_of(4_000_000 if task == "begin" else 4_500_000, ROWS))
    if task == "begin":
        filler = _fill(stack, disk)
        stack.airflow.trigger("pipeline", run_id)
    else:
        stack.airflow.trigger("pipeline", run_id)
        with held_in_publish(stack, run_id):
            filler = _fill(stack, disk)

    def says_so() -> bool:
        try:
            lines = stack.airflow.logs("pipeline", run_id).get(task, [])
        except UnreachableError:  # Airflow answers with 500 while its own database cannot write, on the same disk
            return False
        return any("error" in line and SAID in line for line in lines)

    wait_for(says_so, 180, lambda: stack.logs_of(run_id))
    assert published(stack) == before
    assert_same_in_postgres(stack, before)
    filler.unlink()
    assert stack.ended(run_id) == "success", stack.logs_of(run_id)
    assert stack.tries(run_id)[task] > 1
    after = published(stack)
    assert after.facts[:2] == (before.facts[0] + ROWS, before.facts[0] + ROWS)
    assert_same_in_postgres(stack, after)
