"""`fds ask "…"`: request a change, or ask a question, in your own words."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fds.output import AsJson, Stack, answer, say
from infra.scalable import KEYS

if TYPE_CHECKING:
    from agents.changes.bounds import Bounds
    from agents.changes.service import ChangeService
    from agents.llm.assistant import Assistant
    from agents.llm.schemas import AgentResponse, WorkflowRequest

Words = Annotated[str, typer.Argument(metavar="WORDS", help="What you want, in any language.")]
Role = Annotated[str, typer.Option("--role", help="data_platform_engineer, data_engineer or analytics_engineer.")]
Yes = Annotated[
    bool, typer.Option("--yes", help="Make a change of size without asking, within the bounds of --allow and --up-to.")
]
Allow = Annotated[
    str | None,
    typer.Option(
        "--allow",
        metavar="KEYS",
        help=f"Keys that --yes may change, separated by commas: {', '.join(KEYS)}.",
    ),
]
UpTo = Annotated[
    str | None,
    typer.Option("--up-to", metavar="USD", help="Bound of --yes: highest monthly cost of all stacks of the budget."),
]

MODEL = "FDS_MODEL"
MAX_ROUNDS = 5
"""Maximum number of times that one conversation can ask for approval of jobs."""


def command(
    words: Words,
    stack: Stack = "dev",
    role: Role = "data_platform_engineer",
    yes: Yes = False,
    allow: Allow = None,
    up_to: UpTo = None,
    as_json: AsJson = False,
) -> None:
    """Ask in your own words. A change is planned, then applied if you approve it, or within the bounds of --yes."""
    bounds = _bounds(yes, allow, up_to)
    model = os.environ.get(MODEL)
    if not model:
        from stack_runtime.errors import UnreachableError

        raise UnreachableError(
            f"free text needs a model: set {MODEL} (for example anthropic:NAME) and its key; "
            "everything else works without one: fds scale, fds cost, fds status, fds run",
            next_command=f"fds scale workers=2 --stack {stack}",
        )
    _asked(words, stack, role, model, bounds, as_json)


def _bounds(yes: bool, allow: str | None, up_to: str | None) -> Bounds | None:
    """Return the bounds of `--yes`; None without `--yes`, because each change then needs an approval.

    Raises:
        UsageError: bounds are given without `--yes`, or are missing or invalid.
    """
    if not yes and allow is None and up_to is None:
        return None
    from agents.changes.bounds import Bounds
    from stack_runtime.errors import UsageError

    bounds = Bounds.parse(allow, up_to)
    if not yes:
        raise UsageError(
            "--allow and --up-to are the bounds of --yes, which is missing",
            next_command='fds ask "WORDS", which asks before it changes anything',
        )
    return bounds


def _asked(words: str, stack: str, role: str, model: str, bounds: Bounds | None, as_json: bool) -> None:
    import asyncio
    import getpass

    from pydantic import ValidationError

    from agents.factory import create_change_service
    from agents.llm import tracing
    from agents.llm.assistant import Assistant
    from agents.llm.schemas import WorkflowRequest
    from agents.tools.toolbox import project_toolbox
    from infra.setting_types import reason_of
    from stack_runtime.errors import UsageError
    from stack_runtime.paths import project_dir

    try:
        request = WorkflowRequest.model_validate({"text": words, "agent_role": role})
    except ValidationError as error:
        option = {"text": "WORDS", "agent_role": "--role"}[str(error.errors()[0]["loc"][0])]
        raise UsageError(f"{option}: {reason_of(error)}", next_command='fds ask "more disk"') from None
    tracing.start()
    project, person = project_dir(), getpass.getuser()
    changes = create_change_service(project, None if as_json else say, only=stack)
    assistant = Assistant(changes, stack, person, model, project_toolbox(changes, stack, project).all())
    response = asyncio.run(_talk(assistant, request, changes, person, as_json)).model_dump(mode="json")
    change = response["status"] == "needs_approval" and "plan_after" in response["output"]
    if change and (applied := _changed(changes, response["output"], person, bounds, as_json)):
        response["applied"] = applied
    if as_json:
        answer(response)
    elif response["status"] != "needs_approval":
        print(response["output"]["text"])
    if response["status"] == "refused":
        raise typer.Exit(response["output"].get("exit_code", 3))


async def _talk(
    assistant: Assistant, request: WorkflowRequest, changes: ChangeService, person: str, as_json: bool
) -> AgentResponse:
    """Ask the model, run the jobs that the person approves, and give the model their outcomes."""
    response = await assistant.ask(request)
    for _ in range(MAX_ROUNDS):
        jobs = [] if as_json else response.output.get("jobs", [])
        done = {job["id"]: _apply(changes, job, person) for job in jobs if _approved(job["text"], "Do this?")}
        if not done:
            break
        response = await assistant.report_outcomes(done)
    return response


def _changed(
    changes: ChangeService, output: dict[str, Any], person: str, bounds: Bounds | None, as_json: bool
) -> dict[str, Any] | None:
    """Apply the change: without a question if it is within `bounds`, else only after the person approved it.

    Returns: the outcome; None if the person did not approve the change.

    Raises:
        OutOfBoundsError: the change is outside the bounds, and the person cannot be asked, because there is no terminal
            or the output is JSON.
    """
    from agents.changes.bounds import OutOfBoundsError

    if bounds:
        try:
            return _apply(changes, output, person, bounds)
        except OutOfBoundsError as error:
            if as_json or not sys.stdin.isatty():
                say(output["text"])
                raise
            say(f"outside the bounds of --yes: {error.what}")
    return None if as_json or not _change_approved(output) else _apply(changes, output, person)


def _change_approved(output: dict[str, Any]) -> bool:
    from infra.cost import Plan
    from infra.cost.reports.text import table

    return _approved(f"{table(Plan.model_validate(output['plan_after']))}\n{output['text']}", "Make this change?")


def _approved(text: str, question: str) -> bool:
    """Show what would be done and ask for approval; without a terminal, return False."""
    print(text)
    if not sys.stdin.isatty():
        say("nothing was done: approve at a terminal, or call python -m agents approve with id and digest from --json")
        return False
    return typer.confirm(question)


def _apply(changes: ChangeService, output: dict[str, Any], person: str, within: Bounds | None = None) -> dict[str, Any]:
    outcome = changes.approve_and_apply(output["id"], output["digest"], person, within)
    say(f"{outcome.stack}: {outcome.status}" + "".join(f"; {problem}" for problem in outcome.problems))
    return {"status": outcome.status, "problems": list(outcome.problems), "data": outcome.data}
