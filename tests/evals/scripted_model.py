"""Provide a double of the model, which replays the turns of a case, and a check that text is safe to show."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.evals.environment import EvalEnvironment


def scripted_model(turns: list[Any], env: EvalEnvironment) -> FunctionModel:
    """Return a model that replays `turns` and then repeats the last turn forever."""
    remaining = iter(turns)
    last: list[Any] = []

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart) and isinstance(part.content, dict):
                env.tool_results.append(part.content)
        env.model_calls += 1
        turn = next(remaining, None)
        if isinstance(turn, dict) and "sleeps" in turn:
            await asyncio.sleep(turn["sleeps"])
            turn = next(remaining, None)
        if turn is not None:
            last[:] = turn if isinstance(turn, list) else [turn]
        if "http" in last[0]:
            raise ModelHTTPError(last[0]["http"], "hostile")
        return ModelResponse(parts=[_part(item) for item in last for _ in range(item.get("times", 1))])

    return FunctionModel(respond)


def _part(item: dict[str, Any]) -> TextPart | ToolCallPart:
    if "says" in item:
        return TextPart(item["says"])
    if "answer" in item:
        return ToolCallPart("answer", {"text": item["answer"]})
    if "raw" in item:
        return ToolCallPart("scaling_request", item["raw"])
    if "tool" in item:
        call = ToolCallPart(item["tool"], item.get("args", {}))
        return replace(call, tool_call_id=item["call"]) if "call" in item else call
    return ToolCallPart("scaling_request", {"reason": "because", **item})


def is_printable(value: Any) -> bool:
    """Return whether a terminal displays every text in `value` literally."""
    if isinstance(value, dict):
        return all(is_printable(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return all(map(is_printable, value))
    return not isinstance(value, str) or value.isprintable()
