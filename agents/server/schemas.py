"""Define the bodies of the HTTP server's requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agents.changes.request import StrictModel

ProposalId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
ApprovalToken = Annotated[str, Field(min_length=1, max_length=200)]


class Problem(BaseModel):
    """An error, with the same fields as every JSON error of the product."""

    error: str
    where: str = ""
    next: str = ""
    exit_code: int


class ApprovalRequest(StrictModel):
    """A request to approve a proposal or a job; `digest` says which version of it the person saw."""

    proposal: ProposalId
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Approval(BaseModel):
    """An approval; `token` applies the proposal once, until `expires`."""

    token: str
    expires: datetime


class ApplyRequest(StrictModel):
    """A request to apply an approved proposal, or to run an approved job."""

    proposal: ProposalId
    token: ApprovalToken


class Applied(BaseModel):
    """The result of applying a change or running a job; `problems` are problems of the stack or of the job."""

    model_config = ConfigDict(from_attributes=True)

    stack: str
    proposal: str
    status: str
    problems: tuple[str, ...]
    data: Any = None
    """The result of a job; None for a change."""


class Proposed(BaseModel):
    """The response to `POST /v1/plan`: the decision with its reason, and the whole proposal."""

    id: str
    digest: str
    decision: str
    reason: str
    proposal: dict[str, Any]
