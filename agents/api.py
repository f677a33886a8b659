"""The server of one stack: plan, ask, approve, apply and look, over HTTP with bearer tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_ai.models import Model
from starlette.exceptions import HTTPException

from agents.assistant import Assistant
from agents.guard import Denied, Door, Guard, denied, may, problem
from agents.request import ScalingRequest, WorkflowRequest, printable
from agents.response import AgentResponse
from agents.scaling import APPROVAL_LIFE, ScalingDesk
from agents.spending import Purse
from agents.tokens import Bearer, Tokens
from agents.wire import Applied, ApplyRequest, Approval, ApprovalRequest, Problem, Proposed
from stack_runtime.errors import StackError, UnreachableError

PER_MINUTE = 600
_STATUS = {2: 422, 3: 409, 4: 424, 5: 424, 7: 423}
"""HTTP status by exit code: what an answer depends on and cannot be had is a failed dependency."""
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 408, 409, 411, 413, 422, 423, 424, 429)
}


@dataclass(frozen=True)
class Office:
    """What the endpoints work with. `model` None: `/v1/ask` says what works without one."""

    desk: ScalingDesk
    stack: str
    tools: Sequence[Callable[..., Any]]
    model: Model | str | None
    deploys: bool = True
    """Whether changes can be approved and applied here; without an engine they cannot."""


def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


def _purse(request: Request) -> Purse:
    purse: Purse = request.app.state.purse
    return purse


InOffice = Annotated[Office, Depends(_office)]
OfPurse = Annotated[Purse, Depends(_purse)]
Reader = Annotated[Bearer, Depends(may("read"))]
Proposer = Annotated[Bearer, Depends(may("propose"))]
Approver = Annotated[Bearer, Depends(may("approve"))]

router = APIRouter(prefix="/v1", responses=_PROBLEMS)
changes = APIRouter(prefix="/v1", responses=_PROBLEMS)


@router.get("/status")
def status(office: InOffice, _: Reader) -> dict[str, Any]:
    """The plan of the stack as it will be with everything approved, and who did what."""
    plan = office.desk.plan(office.stack).model_dump(mode="json")
    return {"stack": office.stack, "plan": plan, "history": office.desk.history(office.stack)}


@router.post("/plan")
def plan(request: ScalingRequest, office: InOffice, who: Proposer) -> Proposed:
    """Plan a change. Nothing is made."""
    proposal = office.desk.propose(office.stack, request, who.name)
    return Proposed(
        id=proposal.id,
        digest=proposal.digest,
        decision=proposal.decision,
        reason=proposal.reason,
        proposal=proposal.model_dump(mode="json"),
    )


@router.post("/ask")
async def ask(request: WorkflowRequest, office: InOffice, purse: OfPurse, who: Proposer) -> AgentResponse:
    """The same in words."""
    if office.model is None:
        raise UnreachableError("free text needs a model: set FDS_MODEL and its key", next_command="POST /v1/plan")
    with purse.run(who.name) as run:
        assistant = Assistant(office.desk, office.stack, who.name, office.model, office.tools)
        response = await assistant.ask(request)
        run.usd = assistant.cost_usd
    return response


@changes.post("/approve")
def approve(request: ApprovalRequest, office: InOffice, who: Approver) -> Approval:
    """A person lets a proposal pass."""
    token = office.desk.approve(request.proposal, request.digest, who.name)
    return Approval(token=token, expires=datetime.now(UTC) + APPROVAL_LIFE)


@changes.post("/apply")
def apply(request: ApplyRequest, office: InOffice, who: Proposer) -> Applied:
    """Make an approved change; this takes as long as a deployment."""
    return Applied.model_validate(office.desk.apply(request.proposal, request.token, who.name))


def app(office: Office, tokens: Tokens, per_minute: int = PER_MINUTE) -> FastAPI:
    """The application. `GET /health` needs no token."""
    server = FastAPI(title="freelancer data stack", version="1")
    server.state.office = office
    server.state.purse = Purse(office.desk, office.stack)
    server.add_exception_handler(Denied, denied)
    server.add_exception_handler(StackError, _failed)
    server.add_exception_handler(RequestValidationError, _invalid)
    server.add_exception_handler(HTTPException, _refused)
    server.add_middleware(Door, guard=Guard(tokens, per_minute))
    server.include_router(router)
    if office.deploys:
        server.include_router(changes)
    server.add_api_route("/health", _health)
    return server


def _health() -> dict[str, bool]:
    """Whether the server answers."""
    return {"healthy": True}


def _failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StackError)
    return JSONResponse(error.as_json(), status_code=_STATUS.get(error.exit_code, 409))


def _refused(_: Request, error: Exception) -> JSONResponse:
    """No such path, the wrong method, or a body that is no text."""
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(
        422, printable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")[:500]
    )  # the message quotes keys
