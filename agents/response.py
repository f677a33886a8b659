"""What an agent answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents.request import AgentRole


class ResponseStatus(StrEnum):
    """How a request ended. Nothing is ever changed by it: a proposal or a job waits for a person."""

    ANSWERED = "answered"
    NEEDS_APPROVAL = "needs_approval"
    REFUSED = "refused"
    FAILED = "failed"


class ValidationResult(BaseModel):
    """One check of what the model said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    passed: bool
    detail: str = ""


class AgentResponse(BaseModel):
    """`output` is a text, or a plan's or a proposal's JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_role: AgentRole
    status: ResponseStatus
    output: dict[str, Any]
    validation_results: tuple[ValidationResult, ...] = ()
