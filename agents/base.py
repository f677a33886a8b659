"""`BaseAgent`: one run of a model with limits on everything, that ends in a typed request, in words, or in jobs.

What comes back from a run is data. The tools of an agent only read; nothing that it says changes anything.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    RunUsage,
    Tool,
    ToolDenied,
    ToolOutput,
    UsageLimits,
)
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.exceptions import (
    AgentRunError,
    CostNotFoundWarning,
    ModelAPIError,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import ModelMessage, ToolCallPart
from pydantic_ai.models import Model

from agents import tracing
from agents.request import AgentRole, Answer, ScalingRequest, WorkflowRequest
from stack_runtime.errors import StackError, UnreachableError

warnings.filterwarnings("ignore", category=CostNotFoundWarning)  # then the limit of tokens holds alone


@dataclass(frozen=True)
class Pending:
    """A run that waits for a person: the calls of tools that change something, and what was said until then."""

    calls: tuple[ToolCallPart, ...]
    messages: tuple[ModelMessage, ...] = field(repr=False)


Said = ScalingRequest | Answer | Pending
_Output = ScalingRequest | Answer | DeferredToolRequests


@dataclass(frozen=True)
class Limits:
    """What one run may use. Seconds and US dollars; dollars count where the model's price is known."""

    seconds: float = 60
    requests: int = 8
    tool_calls: int = 24
    tokens: int = 60_000
    cost_usd: Decimal = Decimal("0.50")
    attempts: int = 3
    back_off_seconds: float = 0.5


class BaseAgent:
    """One role on one model.

    Args:
        role: who it is.
        instructions: what it is told; nothing of it is relied upon.
        model: a name such as `anthropic:claude-sonnet-4-5`, or a model object.
        tools: functions that only read.
        writing: functions that stand for what changes something; to call one ends the run.
    """

    def __init__(
        self,
        role: AgentRole,
        instructions: str,
        model: Model | str,
        tools: Sequence[Callable[..., Any]] = (),
        limits: Limits | None = None,
        writing: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.role = role
        self._limits = limits or Limits()
        self.cost_usd: Decimal | None = None
        """Cost of the last model run; None when it failed or the model's price is unknown."""
        try:
            self._agent: Agent[None, _Output] = Agent(
                model,
                name=role,
                instructions=instructions,
                output_type=[
                    ToolOutput(ScalingRequest, name="scaling_request"),
                    ToolOutput(Answer, name="answer"),
                    DeferredToolRequests,
                ],
                tools=[
                    *(_tool(tool, timeout=self._limits.seconds) for tool in tools),
                    *(_tool(tool, requires_approval=True) for tool in writing),
                ],
                retries=2,
                capabilities=[Instrumentation(tracing.settings())],
            )
        except (UserError, ImportError, ValueError) as error:
            raise UnreachableError(
                f"the model cannot be used: {_short(error)}", where="FDS_MODEL", next_command=WITHOUT_A_MODEL
            ) from None

    async def run(self, request: WorkflowRequest) -> Said:
        """Let the model turn words into a request, an answer, or calls that a person must approve.

        Raises:
            UnreachableError: it is down, too slow, over its limits, or talks nonsense. Nothing was changed.
        """
        return await self._in_time({"user_prompt": request.text})

    async def go_on(self, pending: Pending, outcomes: Mapping[str, Any]) -> Said:
        """Tell the model what became of its calls, by their id; one that is not named was not approved.

        Raises:
            UnreachableError: as `run`.
        """
        results = DeferredToolResults()
        for call in pending.calls:
            if call.tool_call_id in outcomes:
                results.calls[call.tool_call_id] = outcomes[call.tool_call_id]
            else:
                results.approvals[call.tool_call_id] = ToolDenied("The person did not approve this.")
        return await self._in_time({"message_history": list(pending.messages), "deferred_tool_results": results})

    async def _in_time(self, what: Mapping[str, Any]) -> Said:
        try:
            self.cost_usd = None
            async with asyncio.timeout(self._limits.seconds):
                return await self._tried({**what, "usage": RunUsage()})
        except TimeoutError:
            raise _failed(f"the model did not answer within {self._limits.seconds:g} s") from None

    async def _tried(self, what: Mapping[str, Any]) -> Said:
        """Once more after a while, twice as long each time, when the provider and not the answer is at fault."""
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return await self._once(what)
            except ModelAPIError as error:
                if not _passes(error) or attempt == self._limits.attempts:
                    raise _failed(f"the model cannot be reached: {_short(error)}") from None
            wait = self._limits.back_off_seconds * 2 ** (attempt - 1)
            await asyncio.sleep(wait * random.uniform(1, 1.5))  # noqa: S311 - spreads retries, guards nothing
        raise AssertionError("unreachable")

    async def _once(self, what: Mapping[str, Any]) -> Said:
        limits = UsageLimits(
            request_limit=self._limits.requests,
            tool_calls_limit=self._limits.tool_calls,
            total_tokens_limit=self._limits.tokens,
            cost_limit=self._limits.cost_usd,
        )
        try:
            result = await self._agent.run(**what, usage_limits=limits)
            said: _Output = result.output
            self.cost_usd = result.usage.cost
            if isinstance(said, DeferredToolRequests):
                return Pending(tuple(said.approvals), tuple(result.all_messages()))
            return said
        except UsageLimitExceeded as error:
            raise _failed(f"the model used up its limits: {_short(error)}") from None
        except ModelAPIError:
            raise
        except UnexpectedModelBehavior as error:
            raise _failed(f"the model's answer makes no sense: {_short(error)}") from None
        except (AgentRunError, UserError, StackError) as error:
            raise _failed(f"the model could not be used: {_short(error)}") from None


WITHOUT_A_MODEL = "fds scale KEY=VALUE plans a change without a model"


_described: dict[tuple[int, bool], Tool[None]] = {}
"""One tool of each code, which it keeps alive: what the model is told of it and how its arguments are checked are the
same for all."""


def _tool(function: Callable[..., Any], **options: Any) -> Tool[None]:
    """A tool, whose description is made once a process; it takes milliseconds, and a question has twenty tools."""
    key = id(inspect.unwrap(function).__code__), inspect.iscoroutinefunction(function)
    known = _described.get(key)
    schema = replace(known.function_schema, function=function) if known else None
    tool: Tool[None] = Tool(function, takes_ctx=False, function_schema=schema, **options)
    _described.setdefault(key, tool)
    return tool


def _passes(error: ModelAPIError) -> bool:
    """Whether the same request may work later: overload and broken connections pass, a wrong key does not."""
    return not isinstance(error, ModelHTTPError) or error.status_code in (408, 429) or error.status_code >= 500


def _failed(what: str) -> UnreachableError:
    return UnreachableError(f"{what}; nothing was changed by it", next_command=f"try again; {WITHOUT_A_MODEL}")


def _short(error: BaseException) -> str:
    """The first line, cut: a provider's error can hold anything."""
    text = "".join(c for c in " ".join(str(error).split()) if c.isprintable())
    return text[:200]
