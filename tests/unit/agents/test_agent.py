"""Test that a model run ends at each limit and retries only transient errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic_ai import RequestUsage, models
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agents.changes.request import ScalingRequest
from agents.llm.agent import BaseAgent, Limits
from agents.llm.schemas import Answer, WorkflowRequest
from stack_runtime.errors import UnreachableError
from tests.kit.model import scripted_model

QUICK = Limits(seconds=5, back_off_seconds=0.001)
WORDS = WorkflowRequest(text="more disk")


def _agent(
    *answers: object, limits: Limits = QUICK, tools: Sequence[Callable[..., str]] = ()
) -> tuple[BaseAgent, list[list[ModelMessage]]]:
    left, seen = list(answers), []

    def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        seen.append(list(messages))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, ToolCallPart)
        return ModelResponse(parts=[answer], usage=RequestUsage(input_tokens=60, output_tokens=20))

    return BaseAgent("data_engineer", "You are in a test.", FunctionModel(respond), tools, limits), seen


def test_agent_returns_the_scaling_request_or_the_answer_that_the_model_gives() -> None:
    agent, _ = _agent(
        ToolCallPart("scaling_request", {"reason": "x", "volume_gb": 50}), ToolCallPart("answer", {"text": "hi"})
    )
    assert asyncio.run(agent.run(WORDS)) == ScalingRequest(reason="x", volume_gb=50)
    assert asyncio.run(agent.run(WORDS)) == Answer(text="hi")


def test_every_run_starts_without_message_history() -> None:
    agent, seen = _agent(ToolCallPart("answer", {"text": "1"}), ToolCallPart("answer", {"text": "2"}))
    for _ in range(2):
        asyncio.run(agent.run(WORDS))
    assert [len(messages) for messages in seen] == [1, 1]


def test_only_transient_errors_are_retried_and_at_most_twice() -> None:
    down = ModelHTTPError(503, "m")
    agent, seen = _agent(down, ModelHTTPError(429, "m"), ToolCallPart("answer", {"text": "hi"}))
    assert asyncio.run(agent.run(WORDS)) == Answer(text="hi")
    assert len(seen) == 3
    agent, seen = _agent(down, down, down, down)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        asyncio.run(agent.run(WORDS))
    assert len(seen) == 3
    agent, seen = _agent(ModelHTTPError(401, "m"), down)
    with pytest.raises(UnreachableError):
        asyncio.run(agent.run(WORDS))
    assert len(seen) == 1


def test_run_ends_at_the_limit_of_requests_or_tokens() -> None:
    for limits, calls in ((replace(QUICK, requests=3), 3), (replace(QUICK, tokens=150), 2)):
        agent, seen = _agent(*[ToolCallPart("_look", {})] * 20, limits=limits, tools=[_look])
        with pytest.raises(UnreachableError, match="used up its limits"):
            asyncio.run(agent.run(WORDS))
        assert len(seen) == calls


def test_run_ends_at_the_cost_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted model has the name of a real model, because the cost limit needs a known price."""
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with scripted_model([[("_look", {})]] * 20, name="gpt-4o") as model:
        for key, value in model.environment.items():
            monkeypatch.setenv(key, value)
        limits = replace(QUICK, cost_usd=Decimal("0.0001"))
        with pytest.raises(UnreachableError, match="cost"):
            asyncio.run(BaseAgent("data_engineer", "", "openai-chat:gpt-4o", [_look], limits).run(WORDS))
    assert len(model.requests) == 2


def _look() -> str:
    """Do nothing."""
    return "nothing"


def test_run_with_a_slow_model_fails_after_the_time_limit() -> None:
    async def sleep(_: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(30)
        raise AssertionError

    agent = BaseAgent("data_engineer", "", FunctionModel(sleep), limits=replace(QUICK, seconds=0.2))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"within 0\.2 s; nothing was changed"):
        asyncio.run(agent.run(WORDS))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("model", ["nonsense", "unknown:model", "anthropic:claude-sonnet-4-5"])
def test_unknown_model_or_missing_api_key_is_an_error(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(UnreachableError, match="fds scale"):
        BaseAgent("data_engineer", "", model)


def test_error_message_of_a_model_provider_is_shortened_and_printable() -> None:
    agent, _ = _agent(ModelHTTPError(400, "m", body="\x1b[2J" + "x" * 10_000))
    with pytest.raises(UnreachableError) as raised:
        asyncio.run(agent.run(WORDS))
    assert len(str(raised.value)) < 500 and str(raised.value).isprintable()
