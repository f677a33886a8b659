"""`BaseAgent`: one run of a model with limits on everything, that ends in a typed request or in words.

What comes back from a run is data. The tools of an agent only read; nothing that it says changes anything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic_ai import Agent, Tool, ToolOutput, UsageLimits
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model
from pydantic_ai.models.instrumented import InstrumentationSettings

from agents.request import AgentRole, Answer, ScalingRequest, WorkflowRequest
from stack_runtime.errors import StackError, UnreachableError

Said = ScalingRequest | Answer


@dataclass(frozen=True)
class Limits:
    """What one run may use. Seconds and US dollars."""

    seconds: float = 60
    requests: int = 8
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
    """

    def __init__(
        self,
        role: AgentRole,
        instructions: str,
        model: Model | str,
        tools: Sequence[Callable[..., Any]] = (),
        limits: Limits | None = None,
    ) -> None:
        self.role = role
        self._limits = limits or Limits()
        try:
            self._agent: Agent[None, Said] = Agent(
                model,
                name=role,
                instructions=instructions,
                output_type=[
                    ToolOutput(ScalingRequest, name="scaling_request"),
                    ToolOutput(Answer, name="answer"),
                ],
                tools=[Tool(tool, takes_ctx=False, timeout=self._limits.seconds) for tool in tools],
                retries=2,
                capabilities=[Instrumentation(InstrumentationSettings(include_content=False))],
            )
        except (UserError, ImportError, ValueError) as error:
            raise UnreachableError(
                f"the model cannot be used: {_short(error)}", where="FDS_MODEL", next_command=WITHOUT_A_MODEL
            ) from None

    async def run(self, request: WorkflowRequest) -> Said:
        """Let the model turn words into a request or an answer.

        Raises:
            UnreachableError: it is down, too slow, over its limits, or talks nonsense. Nothing was changed.
        """
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._tried(request)
        except TimeoutError:
            raise _failed(f"the model did not answer within {self._limits.seconds:g} s") from None

    async def _tried(self, request: WorkflowRequest) -> Said:
        """Once more after a while, twice as long each time, when the provider and not the answer is at fault."""
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return await self._once(request)
            except ModelAPIError as error:
                if not _passes(error) or attempt == self._limits.attempts:
                    raise _failed(f"the model cannot be reached: {_short(error)}") from None
            wait = self._limits.back_off_seconds * 2 ** (attempt - 1)
            await asyncio.sleep(wait * random.uniform(1, 1.5))  # noqa: S311 - spreads retries, guards nothing
        raise AssertionError("unreachable")

    async def _once(self, request: WorkflowRequest) -> Said:
        limits = UsageLimits(
            request_limit=self._limits.requests,
            total_tokens_limit=self._limits.tokens,
            cost_limit=self._limits.cost_usd,
        )
        try:
            return (await self._agent.run(request.text, usage_limits=limits)).output
        except UsageLimitExceeded as error:
            raise _failed(f"the model used up its limits: {_short(error)}") from None
        except ModelAPIError:
            raise
        except UnexpectedModelBehavior as error:
            raise _failed(f"the model's answer makes no sense: {_short(error)}") from None
        except (AgentRunError, UserError, StackError) as error:
            raise _failed(f"the model could not be used: {_short(error)}") from None


WITHOUT_A_MODEL = "fds scale KEY=VALUE plans a change without a model"


def _passes(error: ModelAPIError) -> bool:
    """Whether the same request may work later: overload and broken connections pass, a wrong key does not."""
    return not isinstance(error, ModelHTTPError) or error.status_code in (408, 429) or error.status_code >= 500


def _failed(what: str) -> UnreachableError:
    return UnreachableError(f"{what}; nothing was changed", next_command=f"try again; {WITHOUT_A_MODEL}")


def _short(error: BaseException) -> str:
    """The first line, cut: a provider's error can hold anything."""
    text = "".join(c for c in " ".join(str(error).split()) if c.isprintable())
    return text[:200]
