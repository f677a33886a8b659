"""Command line of the agents: `python -m agents VERB`.

It starts the HTTP or MCP server, creates and revokes tokens, approves and applies changes and jobs, and proposes
reservations.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from agents.advice import add_sample, advise, used_memory
from agents.changes.service import ChangeService
from agents.factory import create_change_service
from agents.server.tokens import SCOPES, Tokens
from agents.tools.toolbox import project_toolbox
from stack_runtime.errors import StackError
from stack_runtime.paths import project_dir
from stack_runtime.unwritable import unwritable


def main() -> int:
    """Run the command line and return its exit code."""
    arguments = _parser().parse_args()
    try:
        project = project_dir()
        tokens = Tokens(project / ".fds")
        if arguments.verb == "token":
            print(tokens.create(arguments.name, arguments.scopes, arguments.days, datetime.now(UTC)))
        elif arguments.verb == "revoke":
            print(f"revoked tokens of {arguments.name}: {tokens.revoke(arguments.name)}")
        else:
            _run(arguments, project, create_change_service(project, only=getattr(arguments, "stack", None)))
    except Exception as error:
        known = error if isinstance(error, StackError) else unwritable(error)
        if known is None:
            raise
        known.name_stack(getattr(arguments, "stack", "dev"))
        print(f"agents: {known}", file=sys.stderr)
        return known.exit_code
    return 0


def _run(arguments: argparse.Namespace, project: Path, changes: ChangeService) -> None:
    if "stack" in arguments:
        changes.settings(arguments.stack)  # refuse a missing or invalid stack file before a server starts
    if arguments.verb == "serve":
        from agents.llm import tracing
        from agents.server.api import AppState, create_app
        from agents.server.http_server import serve

        tracing.start()
        tools = project_toolbox(changes, arguments.stack, project).all()
        state = AppState(changes, arguments.stack, tools, os.environ.get("FDS_MODEL"))
        serve(create_app(state, Tokens(project / ".fds")), arguments.host, arguments.port)
    elif arguments.verb == "mcp":
        from agents.server.mcp_server import create_server

        toolbox = project_toolbox(changes, arguments.stack, project)
        create_server(changes, arguments.stack, toolbox, getpass.getuser()).run("stdio")
    elif arguments.verb == "approve":
        print(changes.approve(arguments.proposal, arguments.digest, getpass.getuser()))
    elif arguments.verb == "apply":
        print(json.dumps(vars(changes.apply(arguments.proposal, arguments.token, getpass.getuser()))))
    else:
        print(_advise(arguments.stack, project, changes))


def _advise(stack: str, project: Path, changes: ChangeService) -> str:
    """Measure the memory of each service once, and propose reservations from all stored measurements.

    Returns: the proposal as text, or a text that says that no change is needed.
    """
    from infra.docker_access import daemon
    from stack_runtime.status import services

    with daemon(project, stack) as client:
        used = used_memory(services(client, stack))
    request = advise(changes.settings(stack), add_sample(project / ".fds", stack, used, datetime.now(UTC)))
    if request is None:
        return "nothing to advise"
    proposal = changes.propose(stack, request, "advice")
    return f"{proposal.reason}\nproposal {proposal.id} {proposal.digest}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agents")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="start the HTTP server")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8100)
    mcp = verbs.add_parser("mcp", help="start the MCP server on standard input and output")
    advise = verbs.add_parser("advise", help="measure memory and propose reservations; meant for a scheduler")
    for verb in (serve, mcp, advise):
        verb.add_argument("--stack", default="dev")
    token = verbs.add_parser("token", help="create a bearer token and print it once")
    token.add_argument("name", help="name of the person or program that will use it")
    token.add_argument("scopes", nargs="+", choices=SCOPES)
    token.add_argument("--days", type=int, default=90, help="days until it expires")
    revoke = verbs.add_parser("revoke", help="make all bearer tokens of a name invalid")
    revoke.add_argument("name")
    approve = verbs.add_parser("approve", help="approve a proposal or a job; print the token that applies it once")
    apply = verbs.add_parser("apply", help="make an approved change, or run an approved job")
    for verb, secret in ((approve, "digest"), (apply, "token")):
        verb.add_argument("proposal")
        verb.add_argument(secret)
    return parser


if __name__ == "__main__":
    sys.exit(main())
