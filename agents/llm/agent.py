"""Run an agent role with a language model, within limits.

The result is a typed request, an answer, or tool calls that a person must approve. All other tools only read, so a run
changes nothing.
"""

from __future__ import annotations

import asyncio
import random
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

from agents.changes.request import ScalingRequest
from agents.llm import tracing
from agents.llm.schemas import AgentRole, Answer, WorkflowRequest
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.text import shortened

# Ignore the warning that the price of a model is unknown: the token limit also bounds the cost.
warnings.filterwarnings("ignore", category=CostNotFoundWarning)

WITHOUT_A_MODEL = "fds scale KEY=VALUE plans a change without a model"


@dataclass(frozen=True)
class Pending:
    """A run that waits for a person: tool calls that need approval, and the messages so far."""

    calls: tuple[ToolCallPart, ...]
    messages: tuple[ModelMessage, ...] = field(repr=False)


AgentOutput = ScalingRequest | Answer | Pending
_ModelOutput = ScalingRequest | Answer | DeferredToolRequests


@dataclass(frozen=True)
class Limits:
    """Limits of one language model run; its cost in US dollars is limited only if the model's price is known."""

    seconds: float = 60
    requests: int = 8
    tool_calls: int = 24
    tokens: int = 60_000
    cost_usd: Decimal = Decimal("0.50")
    attempts: int = 3
    back_off_seconds: float = 0.5


class BaseAgent:
    """An agent role with a language model.

    Args:
        role: name of the role.
        instructions: system prompt; the safety of a run does not depend on it.
        model: a name such as `anthropic:claude-sonnet-4-5`, or a model object.
        tools: functions that only read.
        approval_tools: functions whose calls need approval; a call of such a function ends the run.
    Raises:
        UnreachableError: the model is unknown, or its key or package is missing.
    """

    def __init__(
        self,
        role: AgentRole,
        instructions: str,
        model: Model | str,
        tools: Sequence[Callable[..., Any]] = (),
        limits: Limits | None = None,
        approval_tools: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.role = role
        self._limits = limits or Limits()
        self.cost_usd: Decimal | None = None
        """Cost of the last model run; None when it failed or the model's price is unknown."""
        try:
            self._agent: Agent[None, _ModelOutput] = Agent(
                model,
                name=role,
                instructions=instructions,
                output_type=[
                    ToolOutput(ScalingRequest, name="scaling_request"),
                    ToolOutput(Answer, name="answer"),
                    DeferredToolRequests,
                ],
                tools=[
                    *(Tool(tool, takes_ctx=False, timeout=self._limits.seconds) for tool in tools),
                    *(Tool(tool, takes_ctx=False, requires_approval=True) for tool in approval_tools),
                ],
                retries=2,
                capabilities=[Instrumentation(tracing.settings())],
            )
        except (UserError, ImportError, ValueError) as error:
            raise UnreachableError(
                f"the model cannot be used: {_why(error)}", where="FDS_MODEL", next_command=WITHOUT_A_MODEL
            ) from None

    async def run(self, request: WorkflowRequest) -> AgentOutput:
        """Let the model turn words into a request, an answer, or tool calls that a person must approve.

        Raises:
            UnreachableError: the model is down, too slow, over its limits, or its output is invalid. Nothing changed.
        """
        return await self._run_in_time({"user_prompt": request.text})

    async def resume(self, pending: Pending, outcomes: Mapping[str, Any]) -> AgentOutput:
        """Continue a pending run with the outcomes of its tool calls.

        Args:
            outcomes: outcomes by id of the call; calls without an outcome are reported as not approved.
        Raises:
            UnreachableError: see `run`.
        """
        results = DeferredToolResults()
        for call in pending.calls:
            if call.tool_call_id in outcomes:
                results.calls[call.tool_call_id] = outcomes[call.tool_call_id]
            else:
                results.approvals[call.tool_call_id] = ToolDenied("The person did not approve this.")
        return await self._run_in_time({"message_history": list(pending.messages), "deferred_tool_results": results})

    async def _run_in_time(self, arguments: Mapping[str, Any]) -> AgentOutput:
        try:
            self.cost_usd = None
            async with asyncio.timeout(self._limits.seconds):
                return await self._run_with_retries({**arguments, "usage": RunUsage()})
        except TimeoutError:
            raise _failed(f"the model did not answer within {self._limits.seconds:g} s") from None

    async def _run_with_retries(self, arguments: Mapping[str, Any]) -> AgentOutput:
        """Run the model, and retry temporary errors of the provider; double the waiting time after each attempt."""
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return await self._run_once(arguments)
            except ModelAPIError as error:
                if not _is_transient(error) or attempt == self._limits.attempts:
                    raise _failed(f"the model cannot be reached: {shortened(error)}") from None
            wait = self._limits.back_off_seconds * 2 ** (attempt - 1)
            await asyncio.sleep(wait * random.uniform(1, 1.5))  # noqa: S311 - spreads retries; not for security
        raise AssertionError("unreachable")

    async def _run_once(self, arguments: Mapping[str, Any]) -> AgentOutput:
        limits = UsageLimits(
            request_limit=self._limits.requests,
            tool_calls_limit=self._limits.tool_calls,
            total_tokens_limit=self._limits.tokens,
            cost_limit=self._limits.cost_usd,
        )
        try:
            result = await self._agent.run(**arguments, usage_limits=limits)
            output: _ModelOutput = result.output
            self.cost_usd = result.usage.cost
            if isinstance(output, DeferredToolRequests):
                return Pending(tuple(output.approvals), tuple(result.all_messages()))
            return output
        except UsageLimitExceeded as error:
            raise _failed(f"the model used up its limits: {shortened(error)}") from None
        except ModelAPIError:
            raise
        except UnexpectedModelBehavior as error:
            raise _failed(f"the model's output is invalid: {shortened(error)}") from None
        except (AgentRunError, UserError, StackError) as error:
            raise _failed(f"the model could not be used: {shortened(error)}") from None


def _why(error: Exception) -> str:
    """Return why the language model cannot be used; a missing API key is named by its environment variable."""
    key = re.search(r"\b[A-Z][A-Z0-9_]*_KEY\b", str(error))
    return f"its key is missing, set {key[0]}" if key else shortened(error)


def _is_transient(error: ModelAPIError) -> bool:
    """Return whether a retry may succeed, as after overload or a broken connection, but not after a wrong key."""
    return not isinstance(error, ModelHTTPError) or error.status_code in (408, 429) or error.status_code >= 500


def _failed(what: str) -> UnreachableError:
    return UnreachableError(f"{what}; nothing was changed", next_command=f"try again; {WITHOUT_A_MODEL}")
