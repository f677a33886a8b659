"""Test `fds ask` with and without a terminal, with a double of the model and the real pipeline."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_runtime.pipeline.paths import ROOT
from tests.kit.model import Call, Model, scripted_model

TEST: Call = ("dbt_test", {"select": "fact_transactions"})
VOLUME: Call = ("scaling_request", {"reason": "as the note says", "volume_gb": 400})
BOUNDS = ("--allow", "volumeGb,serverType", "--up-to", "40")
TIMEOUT_S = 180


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with published data and a stack file whose host is this machine."""
    folder = tmp_path_factory.mktemp("ask")
    (folder / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  freelancer-data-stack:host: local\n")
    words = ["run", "--local", "--csv", str(ROOT / "data_stack/samples/transactions.csv")]
    done = _fds(folder, *words, "--database", "w.duckdb")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _environment(folder: Path, model: Model | None = None) -> dict[str, str]:
    database = {"FDS_DATABASE": str(folder / "w.duckdb")}
    return {**os.environ, **database, **(model.environment if model else {})}


def _fds(folder: Path, *words: str, model: Model | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "fds.main", *words], cwd=folder, env=_environment(folder, model),
                          capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)  # fmt: skip


def _ask_at_terminal(folder: Path, model: Model, words: str, answers: str, *options: str) -> tuple[int, str]:
    """Run `fds ask` in a pseudoterminal and type the next character of `answers` at each question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fds.main", "ask", words, *options], cwd=folder, env=_environment(folder, model),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    output, answered, end = "", 0, time.monotonic() + TIMEOUT_S
    for chunk in _read(ours, end):
        output += chunk
        if output.count("[y/N]") > answered:
            os.write(ours, f"{answers[answered]}\n".encode())
            answered += 1
    os.close(ours)
    return process.wait(30), output


def _read(terminal: int, end: float) -> Iterator[str]:
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                yield os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the command closed its end of the terminal
                return
    raise AssertionError("the command did not end")


def _runs(folder: Path) -> list[str]:
    from stack_runtime.pipeline.paths import beside
    from stack_runtime.pipeline.records import Records

    return [run.source for run in Records(beside(folder / "w.duckdb"), None).latest(10)]


def test_approved_job_runs_once_and_the_model_gets_the_outcome(project: Path) -> None:
    before = _runs(project)
    with scripted_model([[TEST], [("answer", {"text": "Every test passed."})]]) as model:
        code, output = _ask_at_terminal(project, model, "Test the facts", "y")
    assert code == 0, output
    assert "dbt_test select=fact_transactions on stack dev" in output and "Every test passed." in output
    assert _runs(project) == ["dbt test fact_transactions", *before]
    messages = json.dumps(model.requests[-1]["messages"])
    assert "succeeded" in messages and len(model.requests) == 2


def test_unapproved_job_does_not_run(project: Path) -> None:
    before = _runs(project)
    with scripted_model([[TEST, ("meltano_run", {})], [("answer", {"text": "never shown"})]]) as model:
        code, output = _ask_at_terminal(project, model, "Test and load", "nn")
        without_terminal = _fds(project, "ask", "Test and load", model=model)
    assert code == 0 and "never shown" not in output
    assert without_terminal.returncode == 0 and _runs(project) == before
    with scripted_model([[TEST]]) as model:
        as_json = _fds(project, "ask", "Test", "--json", "--yes", *BOUNDS, model=model)
    answer = json.loads(as_json.stdout)
    assert answer["status"] == "needs_approval" and answer["output"]["jobs"][0]["work"]["tool"] == "dbt_test"
    assert _runs(project) == before


def test_fds_ask_with_the_option_yes_still_asks_before_a_change_that_enlarges_the_volume(project: Path) -> None:
    """`--allow` names `volumeGb`, but a volume can never shrink again. Without a terminal, the change is refused."""
    before = (project / "Pulumi.dev.yaml").read_bytes()
    with scripted_model([[VOLUME]] * 2) as model:
        code, output = _ask_at_terminal(project, model, "How much did we earn?", "n", "--yes", *BOUNDS)
        without_terminal = _fds(project, "ask", "How much did we earn?", "--yes", *BOUNDS, model=model)
    assert code == 0 and "a volume can only grow" in output and "Make this change? [y/N]" in output, output
    assert without_terminal.returncode == 3 and "a volume can only grow" in without_terminal.stderr
    assert (project / "Pulumi.dev.yaml").read_bytes() == before


def test_outcome_of_a_job_is_shown_if_the_model_fails_afterwards(project: Path) -> None:
    before = _runs(project)
    with scripted_model([[TEST]]) as model:
        code, output = _ask_at_terminal(project, model, "Test", "y")
    assert code == 5 and "dev: ran" in output and "cannot be reached" in output and "Traceback" not in output
    assert len(_runs(project)) == len(before) + 1


def test_read_only_tools_of_duckdb_dbt_and_meltano_succeed(project: Path) -> None:
    calls: list[Call] = [
        ("duckdb_query", {"sql": "SELECT count(*) AS n FROM marts.fact_transactions"}),
        ("dbt_show", {"model": "fact_transactions", "rows": 2}),
        ("dbt_docs", {"model": "fact_transactions"}),
        ("dbt_lineage", {"model": "fact_transactions"}),
        ("dbt_results", {}),
        ("meltano_state", {}),
        ("meltano_plugins", {}),
        ("meltano_discover", {}),
    ]
    (project / "w.duckdb.fds" / "landing").mkdir(exist_ok=True)
    columns = ["id", "date", "customer_id", "amount", "currency", "category", "description"]
    text = f"{','.join(columns)}\n1,2026-01-02,C1,2.5,EUR,fees,new\n"
    (project / "w.duckdb.fds" / "landing" / "new.csv").write_text(text)
    with scripted_model([calls, [("answer", {"text": "seen"})]]) as model:
        done = _fds(project, "ask", "What is there?", model=model)
    assert done.returncode == 0, done.stderr
    answers = {
        m["tool_call_id"]: json.loads(m["content"]) for m in model.requests[-1]["messages"] if m["role"] == "tool"
    }
    failed = {call: answer["error"] for call, answer in answers.items() if not answer["success"]}
    assert not failed and len(answers) == len(calls)
    rows = answers["call_1_0"]["data"]
    assert rows[0]["n"] > 1000 and len(answers["call_1_1"]["data"]) == 2
    assert set(answers["call_1_7"]["data"][0]["columns"]) == set(columns)
    assert all(set(answer) == {"success", "data", "error", "metadata"} for answer in answers.values())
