"""`python -m agents`: the HTTP server, the MCP server, tokens, approvals, and what the scheduler calls."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from agents.advice import advise, remember
from agents.ground import desk
from agents.scaling import ScalingDesk
from agents.tokens import SCOPES, Tokens
from agents.tools.toolbox import of_project
from stack_runtime.errors import StackError
from stack_runtime.paths import project_dir


def main() -> int:
    """Returns: the exit code."""
    asked = _parser().parse_args()
    try:
        project = project_dir()
        if asked.verb == "token":
            print(Tokens(project / ".fds").create(asked.name, asked.scopes, asked.days, datetime.now(UTC)))
        else:
            _act(asked, project, desk(project, only=getattr(asked, "stack", None)))
    except StackError as error:
        print(f"agents: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _act(asked: argparse.Namespace, project: Path, office: ScalingDesk) -> None:
    if asked.verb == "serve":
        from agents import tracing
        from agents.api import Office, app
        from agents.serving import serve

        tracing.start()
        tools = of_project(office, asked.stack, project).all()
        rooms = Office(office, asked.stack, tools, os.environ.get("FDS_MODEL"))
        serve(app(rooms, Tokens(project / ".fds")), asked.host, asked.port)
    elif asked.verb == "mcp":
        from agents.mcp import server

        server(office, asked.stack, of_project(office, asked.stack, project), getpass.getuser()).run("stdio")
    elif asked.verb == "approve":
        print(office.approve(asked.proposal, asked.digest, getpass.getuser()))
    elif asked.verb == "apply":
        print(json.dumps(vars(office.apply(asked.proposal, asked.token, getpass.getuser()))))
    else:
        print(_advice(asked.stack, project, office))


def _advice(stack: str, project: Path, office: ScalingDesk) -> str:
    """One more measurement, and the proposal that follows from all of them."""
    from infra.docker_access import daemon
    from stack_runtime.status import services

    with daemon(project, stack) as client:
        used = {row["service"]: row["memory_mb"] for row in services(client, stack) if row["memory_mb"] is not None}
    request = advise(office.settings(stack), remember(project / ".fds", stack, used, datetime.now(UTC)))
    if request is None:
        return "nothing to advise"
    proposal = office.propose(stack, request, "advice")
    return f"{proposal.reason}\nproposal {proposal.id} {proposal.digest}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agents")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="the HTTP server")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8100)
    mcp = verbs.add_parser("mcp", help="the MCP server on standard input and output")
    advice = verbs.add_parser("advise", help="measure, and propose what fits the use better; for the scheduler")
    for verb in (serve, mcp, advice):
        verb.add_argument("--stack", default="dev")
    token = verbs.add_parser("token", help="a bearer token, shown once")
    token.add_argument("name", help="whose it is")
    token.add_argument("scopes", nargs="+", choices=SCOPES)
    token.add_argument("--days", type=int, default=90)
    approve = verbs.add_parser("approve", help="approve a proposal or a job; prints the token that applies it once")
    apply = verbs.add_parser("apply", help="make the approved change, or do the approved job")
    for verb, secret in ((approve, "digest"), (apply, "token")):
        verb.add_argument("proposal")
        verb.add_argument(secret)
    return parser


if __name__ == "__main__":
    sys.exit(main())
