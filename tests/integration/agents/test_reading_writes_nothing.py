"""Test with the real Pulumi engine that read-only MCP tools and `fds drift` do not change a project."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.kit.project import ON_A_SERVER, Project

STACK = "agentsread"
ENCRYPTED = {"secure": "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
OPEN = """
import sys
from pathlib import Path
from infra.engine.stack_operations import StackOperations
from infra.engine.progress import Progress
StackOperations(Path.cwd(), sys.argv[1], Progress(None))
"""
ARGUMENTS: dict[str, dict[str, Any]] = {
    "duckdb_query": {"sql": "SELECT 1"},
    "dbt_show": {"model": "x"},
    "dbt_docs": {"model": "x"},
    "dbt_lineage": {"model": "x"},
    "airflow_logs": {"dag_id": "x", "dag_run_id": "x"},
    "stack_logs": {"service": "postgres"},
}


def _files(folder: Path) -> dict[str, str]:
    """Return the digest of every file by path, and an empty text for every folder; omit `__pycache__` folders."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def _read_all(project: Project) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, Any]]]:
    """Call every read-only tool of the MCP server; return the files before and after the calls, and the answers."""
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "agents", "mcp", "--stack", project.stack],
        cwd=str(project.folder),
        env=project.variables(HCLOUD_TOKEN=""),
    )

    async def talk() -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, Any]]]:
        async with Client(stdio_client(started)) as client:
            tools = [
                t.name for t in (await client.list_tools()).tools if t.annotations and t.annotations.read_only_hint
            ]
            before = _files(project.folder)
            answers = {}
            for name in tools:
                result = await client.call_tool(name, ARGUMENTS.get(name, {}))
                answers[name] = json.loads(getattr(result.content[0], "text", "{}"))
            return before, _files(project.folder), answers

    return asyncio.run(talk())


@pytest.fixture(params=["local", "server"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """Return a project whose stack was never deployed; a stack on a server has an encrypted token in its stack file."""
    made = Project(tmp_path, STACK, {"host": "local"} if request.param == "local" else ON_A_SERVER)
    if request.param == "server":
        text = made.stack_file.read_text()
        made.stack_file.write_text(f"{text}\n  hcloud:token: {json.dumps(ENCRYPTED)}\n")
    return made


def test_read_only_mcp_tools_write_no_file_if_the_stack_was_never_deployed(project: Project) -> None:
    before, after, answers = _read_all(project)
    assert after == before
    assert {"stack_drift", "stack_plan", "stack_status", "duckdb_query", "stack_history"} <= answers.keys()
    assert "deployed" in str(answers["stack_drift"]["error"])


def test_fds_drift_writes_no_file_if_the_stack_was_never_deployed(project: Project) -> None:
    before = _files(project.folder)
    done = project.fds("drift")
    assert done.returncode == 5 and "deployed" in done.stderr and "fds up" in done.stderr, done.stderr
    assert _files(project.folder) == before


def test_read_only_mcp_tools_change_neither_the_pulumi_state_nor_the_selected_stack(tmp_path: Path) -> None:
    """The Pulumi state, and the stack that a `pulumi` command without `--stack` uses, stay the same."""
    made = Project(tmp_path, STACK, {"host": "local"})
    made.take_secrets()
    made.stack_file.with_name("Pulumi.agentsother.yaml").write_text(made.stack_file.read_text())
    for stack in (STACK, "agentsother"):  # opening a stack selects it for `pulumi` without `--stack`
        opened = made.run(sys.executable, "-c", OPEN, stack)
        assert opened.returncode == 0, opened.stderr
    selected = _selected_stack(made.folder)
    assert "agentsother" in selected
    before, after, answers = _read_all(made)
    assert "nothing of stack" in str(answers["stack_drift"]["error"])
    assert after == before and _selected_stack(made.folder) == selected


def _selected_stack(folder: Path) -> str:
    """Return the content of the Pulumi file that names the selected stack; this file is outside the project."""
    from infra.engine.environment import engine_home

    key = hashlib.sha1(str(folder / "Pulumi.yaml").encode()).hexdigest()
    (file,) = (engine_home() / "workspaces").glob(f"*{key}*.json")
    return file.read_text()
