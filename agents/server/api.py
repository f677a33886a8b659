"""Serve one stack over HTTP, with bearer tokens: read its status, ask an agent, and plan, approve and apply changes."""

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

from agents.changes.request import ScalingRequest
from agents.changes.service import APPROVAL_LIFETIME, ChangeService
from agents.llm.assistant import Assistant
from agents.llm.schemas import AgentResponse, WorkflowRequest
from agents.server.auth import Authenticator, AuthMiddleware, Denied, denied_response, require_scope
from agents.server.model_budget import ModelBudget
from agents.server.schemas import Applied, ApplyRequest, Approval, ApprovalRequest, Problem, Proposed
from agents.server.tokens import Bearer, Tokens
from infra.setting_types import words_of
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.text import shortened

PER_MINUTE = 600
_STATUS = {2: 422, 3: 409, 4: 424, 5: 424, 7: 423}
"""HTTP status by the exit code of an error; 424 (failed dependency) if prices, engine, host or API are unavailable."""
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 408, 409, 411, 413, 422, 423, 424, 429)
}


@dataclass(frozen=True)
class AppState:
    """Dependencies of the endpoints.

    Args:
        model: the language model for `/v1/ask`; if it is None, this endpoint returns an error that advises `/v1/plan`.
        deploys: whether changes can be approved and applied here; this needs the engine.
    """

    changes: ChangeService
    stack: str
    tools: Sequence[Callable[..., Any]]
    model: Model | str | None
    deploys: bool = True


def _get_state(request: Request) -> AppState:
    state: AppState = request.app.state.agents
    return state


def _get_budget(request: Request) -> ModelBudget:
    budget: ModelBudget = request.app.state.model_budget
    return budget


State = Annotated[AppState, Depends(_get_state)]
Budget = Annotated[ModelBudget, Depends(_get_budget)]
Reader = Annotated[Bearer, Depends(require_scope("read"))]
Proposer = Annotated[Bearer, Depends(require_scope("propose"))]
Approver = Annotated[Bearer, Depends(require_scope("approve"))]

planning_router = APIRouter(prefix="/v1", responses=_PROBLEMS)
deployment_router = APIRouter(prefix="/v1", responses=_PROBLEMS)


@planning_router.get("/status")
def status(state: State, _: Reader) -> dict[str, Any]:
    """Return the plan of the stack with all approved changes, its history, and the JSON schema of a request."""
    plan = state.changes.plan(state.stack).model_dump(mode="json")
    schema = ScalingRequest.model_json_schema()
    return {"stack": state.stack, "plan": plan, "history": state.changes.history(state.stack), "request": schema}


@planning_router.post("/plan")
def plan(request: ScalingRequest, state: State, bearer: Proposer) -> Proposed:
    """Plan a change. Nothing is applied."""
    proposal = state.changes.propose(state.stack, request, bearer.name)
    return Proposed(
        id=proposal.id,
        digest=proposal.digest,
        decision=proposal.decision,
        reason=proposal.reason,
        proposal=proposal.model_dump(mode="json"),
    )


@planning_router.post("/ask")
async def ask(request: WorkflowRequest, state: State, budget: Budget, bearer: Proposer) -> AgentResponse:
    """Let a model turn a request in words into an answer, a proposal or jobs."""
    if state.model is None:
        raise UnreachableError("free text needs a model: set FDS_MODEL and its key", next_command="POST /v1/plan")
    with budget.run(bearer.name) as run:
        assistant = Assistant(state.changes, state.stack, bearer.name, state.model, state.tools)
        response = await assistant.ask(request)
        run.usd = assistant.cost_usd
    return response


@deployment_router.post("/approve")
def approve(request: ApprovalRequest, state: State, bearer: Approver) -> Approval:
    """Approve a proposal or a job, unless another one is being applied: the approval could not be used then."""
    state.changes.refuse_while_busy()
    token = state.changes.approve(request.proposal, request.digest, bearer.name)
    return Approval(token=token, expires=datetime.now(UTC) + APPROVAL_LIFETIME)


@deployment_router.post("/apply")
def apply(request: ApplyRequest, state: State, bearer: Proposer) -> Applied:
    """Apply an approved change, or run an approved job; this takes as long as the deployment or the job."""
    return Applied.model_validate(state.changes.apply(request.proposal, request.token, bearer.name))


def create_app(state: AppState, tokens: Tokens, per_minute: int = PER_MINUTE) -> FastAPI:
    """Return the application. `GET /health` needs no token.

    Args:
        per_minute: maximum requests per minute of one bearer, or from one address without a valid token.
    """
    app = FastAPI(title="freelancer data stack", version="1")
    app.state.agents = state
    app.state.model_budget = ModelBudget(state.changes, state.stack)
    app.add_exception_handler(Denied, denied_response)
    app.add_exception_handler(StackError, _stack_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(AuthMiddleware, authenticator=Authenticator(tokens, per_minute))
    app.include_router(planning_router)
    if state.deploys:
        app.include_router(deployment_router)
    app.add_api_route("/health", _health)
    return app


def _health() -> dict[str, bool]:
    """Answer a health check."""
    return {"healthy": True}


def _stack_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StackError)
    return JSONResponse(error.as_json(), status_code=_STATUS.get(error.exit_code, 409))


def _http_error(_: Request, error: Exception) -> JSONResponse:
    """Return the response to an unknown path, a wrong method, or a body that cannot be decoded."""
    assert isinstance(error, HTTPException)
    response = _problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    message = f"{'.'.join(map(str, first['loc']))}: {words_of(first)}"
    advice = f"correct it; GET /openapi.json describes the body of {request.url.path}"
    return _problem(422, shortened(message, 500), advice)  # the message quotes keys of the request, which can be long


def _problem(status: int, what: str, advice: str = "") -> JSONResponse:
    return JSONResponse(Problem(error=what, next=advice, exit_code=2).model_dump(), status_code=status)
