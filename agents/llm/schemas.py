"""Define the requests of a caller to an agent, and the responses of an agent."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agents.changes.request import StrictModel
from stack_runtime.text import require_visible

Text = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(require_visible)]
AgentRole = Literal["data_platform_engineer", "data_engineer", "analytics_engineer"]


class Answer(StrictModel):
    """An answer in words, when nothing shall change or a question must be asked first."""

    text: Text


class WorkflowRequest(StrictModel):
    """A caller's request: words and a role. It has no field for message history, tool calls or approvals."""

    text: Text
    agent_role: AgentRole = "data_platform_engineer"


class ResponseStatus(StrEnum):
    """The outcome of a request. No outcome changes anything: proposals and jobs wait for a person's approval."""

    ANSWERED = "answered"
    NEEDS_APPROVAL = "needs_approval"
    REFUSED = "refused"


class ValidationResult(BaseModel):
    """The result of one check of a model's output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    passed: bool
    detail: str = ""


class AgentResponse(BaseModel):
    """An agent's response; `output` is a text, a proposal, jobs, or an error, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_role: AgentRole
    status: ResponseStatus
    output: dict[str, Any]
    validation_results: tuple[ValidationResult, ...] = ()
