"""Run the agents' HTTP server for a simulated project, in a thread of this process, with valid and invalid tokens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agents.server.api import AppState, create_app
from agents.server.http_server import config
from agents.server.tokens import Tokens
from tests.evals.environment import EvalEnvironment


@dataclass(frozen=True)
class Served:
    """The address of the server, the simulated project that it serves, and valid and invalid access tokens by name."""

    url: str
    env: EvalEnvironment
    tokens: dict[str, str]

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}


async def _model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Say hello, or request the job `dbt_test` if the prompt has "test"; a prompt with "slow" delays the answer."""
    if "slow" in str(messages[-1].parts[-1]):
        await asyncio.sleep(2)
    if "test" in str(messages[-1].parts[-1]):
        return ModelResponse(parts=[ToolCallPart("dbt_test", {"select": "fact_transactions"})])
    return ModelResponse(parts=[ToolCallPart("answer", {"text": "hello"})])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "project"
    folder.mkdir()
    env = EvalEnvironment(folder)
    known = Tokens(folder / ".fds")
    now = datetime.now(UTC)
    tokens = {scope: known.create(scope, [scope], 1, now) for scope in ("read", "propose", "approve")}
    tokens["stack"] = known.create("stack", ["read", "propose"], 1, now)
    tokens["all"] = known.create("all", ["read", "propose", "approve"], 1, now)
    tokens["expired"] = known.create("late", ["read", "propose", "approve"], 1, now - timedelta(days=2))
    tokens["unknown"] = "fds_unknown"
    application = create_app(
        AppState(env.changes, "prod", env.tools.all(), FunctionModel(_model)), known, per_minute=100_000
    )
    server = uvicorn.Server(config(application, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", env, tokens)
    server.should_exit = True
    thread.join(10)
