"""Run each step of the pipeline in its own process: repeat steps, kill steps, and start other runs between steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stack_runtime.errors import LockedError
from stack_runtime.pipeline.paths import of_runner
from stack_runtime.pipeline.records import Records
from stack_runtime.pipeline.run import Pipeline
from tests.integration.pipeline.conftest import rows, write_csv

RUN = "20261129T120000Z-abc123"
STEPS = (
    ("begin", ""), ("load", "tap-csv"), ("transform", "staging"), ("transform", "intermediate"), ("transform", "marts"),
    ("check", ""), ("publish", ""),
)  # fmt: skip
KILLS = {
    "begin": "stack_runtime.pipeline.staged:begin_work",
    "load": "subprocess:Popen",
    "transform": "stack_runtime.pipeline.transform:Dbt.transform",
    "check": "stack_runtime.pipeline.transform:Dbt.remove_old_models",
    "publish": "stack_runtime.pipeline.run:replace_durably",
}
"""For each step, the function after which the process of the step is killed."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a runner's data folder with one file in its landing folder."""
    for folder in ("landing/uploads", "private", "published"):
        (tmp_path / folder).mkdir(parents=True)
    write_csv(tmp_path / "landing" / "first.csv", rows(1, 40))
    return tmp_path


def _call(data: Path, *words: str, before: tuple[str, ...] = ("stack_runtime.pipeline",)) -> tuple[int, Any]:
    """Run `python -m` with `before` and then `words` as arguments.

    Returns: the exit code, and the parsed JSON from the standard output; if there is none, the standard error.
    """
    done = subprocess.run(
        [sys.executable, "-m", *before, *words],
        env={**os.environ, "FDS_DATA_DIR": str(data)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr


def _step(data: Path, name: str, of: str, run_id: str = RUN) -> tuple[int, Any]:
    return _call(data, "step", name, "--run-id", run_id, "--of", of)


def _count(data: Path) -> tuple[int, int]:
    """Return the number of rows and of different ids in the published fact table."""
    with duckdb.connect(str(of_runner(data).published), read_only=True) as connection:
        row = connection.execute("SELECT count(*), count(DISTINCT transaction_id) FROM marts.fact_transactions")
        return row.fetchone()  # type: ignore[return-value]


@pytest.mark.slow
def test_run_whose_steps_were_killed_and_repeated_has_the_results_of_an_undisturbed_run(data: Path) -> None:
    for name, of in STEPS:
        killer = ("tests.integration.pipeline.killed", KILLS[name])
        words = ("step", name, "--run-id", RUN, "--of", of)
        code, said = _call(data, *words, before=killer)
        assert code == -signal.SIGKILL, said
        code, run = _step(data, name, of)
        assert code == 0, run
    assert run["status"] == "succeeded" and run["rows"] == {"read": 40, "loaded": 40, "quarantined": 0, "replaced": 0}
    assert _count(data) == (40, 40)
    assert list(of_runner(data).work.iterdir()) == []
    (data / "other").mkdir()
    for folder in ("landing/uploads", "private", "published"):
        (data / "other" / folder).mkdir(parents=True)
    write_csv(data / "other" / "landing" / "first.csv", rows(1, 40))
    code, plain = _call(data / "other", "run", "--json")
    assert code == 0
    assert [(c["test_name"], c["status"]) for c in plain["checks"]] == [
        (c["test_name"], c["status"]) for c in run["checks"]
    ]
    assert plain["streams"] == run["streams"]


def test_repeated_step_loads_no_row_twice_and_a_step_before_its_turn_is_refused(data: Path) -> None:
    for name, of in STEPS[:2]:
        assert _step(data, name, of)[0] == 0
    code, run = _step(data, "load", "tap-csv")
    assert code == 0 and run["rows"]["read"] == 40 and len(run["streams"]) == 1
    code, refused = _step(data, "publish", "")
    assert code == 2 and "not tested" in refused["error"]
    code, refused = _step(data, "transform", "nothing")
    assert code == 2 and "staging" in refused["next"]


def test_no_other_run_starts_between_the_steps_of_a_run_until_the_claim_of_this_run_ends(data: Path) -> None:
    assert _step(data, "begin", "")[0] == 0
    paths = of_runner(data)
    pipeline, records = Pipeline(paths, None, lambda _: None), Records(paths, None)
    for _ in range(20):
        with pytest.raises(LockedError, match=RUN):
            pipeline.run()
    assert _step(data, "begin", "", "20261129T130000Z-other")[0] == 7
    assert [run.status for run in records.latest()] == ["running"]
    records.claim(RUN, datetime.now(UTC) - timedelta(seconds=1))
    assert [run.status for run in records.latest()] == ["interrupted"]
    run, failure = pipeline.run()
    assert failure is None and run.published
    code, late = _step(data, "load", "tap-csv")  # a step of the run whose claim has ended
    assert code == 6 and "another run has started since then" in late["error"]
    assert _count(data) == (40, 40)


def test_failed_step_ends_the_run_and_its_claim_and_nothing_is_published(data: Path) -> None:
    write_csv(data / "landing" / "first.csv", rows(1, 40, "much"))
    assert _step(data, "begin", "")[0] == 0
    code, _ = _step(data, "load", "tap-csv")
    code = code or _step(data, "transform", "staging")[0]
    assert code == 6
    paths = of_runner(data)
    (run,) = Records(paths, None).latest()
    assert run.status == "failed" and run.error
    assert {_step(data, name, of)[0] for name, of in STEPS[1:]} == {6}  # the failed step and all later steps fail again
    assert Records(paths, None).claimed() is None
    assert not paths.published.exists()


def test_abandoned_run_ends_as_failed_with_the_given_reason_and_publishes_nothing(data: Path) -> None:
    for name, of in STEPS[:2]:
        assert _step(data, name, of)[0] == 0
    code, run = _step(data, "abandon", "the worker is gone")
    assert (code, run["status"], run["error"], run["published"]) == (0, "failed", "the worker is gone", None)
    assert _step(data, "abandon", "again")[1]["error"] == "the worker is gone"
    assert Records(of_runner(data), None).claimed() is None
    assert _step(data, "abandon", "x", "unknown")[0] == 2
