"""Start the agents' servers and run their commands as docs/agents.md shows them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from agents.changes.jobs import DbtTest
from agents.server.tokens import Tokens
from tests.evals.environment import EvalEnvironment
from tests.kit.ports import free_port
from tests.unit.agents.test_docs import PAGE, examples


@pytest.fixture
def project(tmp_path: Path) -> Path:
    EvalEnvironment(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    return tmp_path


def _environment(project: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FDS_", "HCLOUD"))}
    return clean | {"FDS_DATABASE": str(project / "warehouse.duckdb")}


@contextmanager
def _served(project: Path, *words: str) -> Iterator[str]:
    """Start `python WORDS`, by default `python -m agents serve`, and yield the address of the server."""
    port = str(free_port())
    serve = words or ("-m", "agents", "serve", "--stack", "prod")
    server = subprocess.Popen([sys.executable, *serve, "--port", port], cwd=project, env=_environment(project))
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.TransportError:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def test_server_started_as_documented_accepts_a_token_created_as_documented(project: Path) -> None:
    token, serve = (
        line.split()[1:] for line in next(b for b in examples("console") if "agents serve" in b).splitlines()
    )
    made = subprocess.run(
        [sys.executable, *token], cwd=project, env=_environment(project), capture_output=True, text=True
    )
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    with _served(project, *serve) as url:
        assert httpx.get(f"{url}/v1/status").status_code == 401
        asked = httpx.post(f"{url}/v1/ask", json={"text": "more"}, headers=headers, timeout=30)
        assert asked.status_code == 424 and "FDS_MODEL" in asked.json()["error"]
        planned = httpx.post(f"{url}/v1/plan", json={"reason": "x", "budget": 1}, headers=headers, timeout=30)
        assert planned.status_code == 422


def test_mcp_server_started_as_documented_has_the_documented_tools(project: Path) -> None:
    (words,) = (json.loads(block) for block in examples("json"))
    started = StdioServerParameters(
        command=sys.executable, args=words["args"], cwd=str(project), env=_environment(project)
    )

    async def talk() -> tuple[set[str], dict[str, object]]:
        async with Client(stdio_client(started)) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            answer = await client.call_tool("duckdb_query", {"sql": "SELECT count(*) AS n FROM transactions"})
            return names, json.loads(answer.content[0].text)  # type: ignore[union-attr]

    names, answer = asyncio.run(talk())
    assert answer["data"] == [{"n": 500}]
    rows = re.findall(r"^\| (?:data|loading|stack) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = set(re.findall(r"`([a-z_]+)`", " ".join(rows)))
    assert names == documented | {"scale_propose", "run_propose", "apply_approved"}


def test_server_of_one_stack_does_not_find_jobs_of_another_stack(project: Path) -> None:
    """Send the id of another stack's job to an MCP server and an HTTP server, started with the documented commands."""
    env = EvalEnvironment(project, now=datetime.now(UTC))
    job = env.all_stacks.propose_job("other", DbtTest(), "eve")
    token = env.all_stacks.approve(job.id, job.digest, "eve")
    (words,) = (json.loads(block) for block in examples("json"))
    started = StdioServerParameters(
        command=sys.executable, args=words["args"], cwd=str(project), env=_environment(project)
    )

    async def talk() -> dict[str, object]:
        async with Client(stdio_client(started)) as client:
            answer = await client.call_tool("apply_approved", {"proposal": job.id, "approval_token": token})
            return json.loads(answer.content[0].text)  # type: ignore[union-attr,no-any-return]

    assert "no such proposal" in str(asyncio.run(talk())["error"])
    with _served(project) as url:
        bearer = Tokens(project / ".fds").create("ann", ["propose", "approve"], 1, datetime.now(UTC))
        headers = {"Authorization": f"Bearer {bearer}"}
        for path, body in (("approve", {"digest": job.digest}), ("apply", {"token": token})):
            answer = httpx.post(f"{url}/v1/{path}", json={"proposal": job.id, **body}, headers=headers, timeout=30)
            assert answer.status_code == 422 and "no such proposal" in answer.json()["error"]
    assert env.all_stacks.find(job.id).state == "approved"


def test_fds_ask_prints_the_documented_error_if_no_model_is_configured(project: Path) -> None:
    (block,) = (block for block in examples("console") if block.startswith("$ fds ask"))
    line, message = block.splitlines()[:2]
    words = [sys.executable, "-m", "fds.main", "ask", line.split('"')[1], "--stack", "prod"]
    done = subprocess.run(words, cwd=project, env=_environment(project), capture_output=True, text=True)
    assert done.returncode == 5
    for part in message.split("…"):
        assert part.strip("; ") in done.stderr


def test_approval_from_the_command_line_is_used_up_even_if_the_job_fails(project: Path) -> None:
    env = EvalEnvironment(project, now=datetime.now(UTC))
    job = env.changes.propose_job("prod", DbtTest(), "ann")

    def agents(*words: str) -> subprocess.CompletedProcess[str]:
        environment = _environment(project) | {"FDS_DATABASE": str(project / "nothing.duckdb")}
        command = [sys.executable, "-m", "agents", *words]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    assert "does not belong to this proposal" in agents("approve", job.id, "0" * 64).stderr
    token = agents("approve", job.id, job.digest).stdout.strip()
    assert "not an approval" in agents("apply", job.id, "yes").stderr
    done = agents("apply", job.id, token)
    assert done.returncode == 2 and "no data is published yet" in done.stderr  # the job fails
    again = agents("apply", job.id, token)
    assert again.returncode == 3 and "used already" in again.stderr


@pytest.mark.parametrize("place", [("--port", "99999"), ("--port", "-1"), ("--host", "nobody.invalid")])
def test_server_that_cannot_listen_on_its_address_prints_one_line_with_error_and_next_command(
    project: Path, place: tuple[str, str]
) -> None:
    words = [sys.executable, "-m", "agents", "serve", "--stack", "prod", *place]
    done = subprocess.run(words, cwd=project, env=_environment(project), capture_output=True, text=True, timeout=60)
    assert done.returncode == 5 and done.stderr.startswith("agents: the server cannot listen on"), done.stderr
    assert done.stderr.count("\n") == 1 and "; next: python -m agents serve with another" in done.stderr
