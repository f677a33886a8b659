"""What the server's answers and requests look like."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agents.request import Closed


class Problem(BaseModel):
    """What went wrong, as everywhere in the product."""

    error: str
    where: str = ""
    next: str = ""
    exit_code: int


class ApprovalRequest(Closed):
    """A person approves the proposal or the job that has this digest."""

    proposal: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Approval(BaseModel):
    """`token` applies the proposal once, until `expires`."""

    token: str
    expires: datetime


class ApplyRequest(Closed):
    """Spend an approval, of a proposal or a job."""

    proposal: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    token: Annotated[str, Field(min_length=1, max_length=200)]


class Applied(BaseModel):
    """What came of it; `problems` is what the check found."""

    model_config = ConfigDict(from_attributes=True)

    stack: str
    proposal: str
    status: str
    problems: tuple[str, ...]
    data: Any = None
    """What a job answered."""


class Proposed(BaseModel):
    """The decision on a request, in words and in full."""

    id: str
    digest: str
    decision: str
    reason: str
    proposal: dict[str, Any]
