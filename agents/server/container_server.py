"""`python -m agents.server.container_server`: plan changes in the stack's container `agents`, which cannot deploy.

The project of this server is a folder on a separate volume, with a stack file that `main` writes from the deployed
settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agents.changes.dependencies import Dependencies
from agents.changes.service import ChangeService
from agents.server.api import AppState, create_app
from agents.server.http_server import serve
from agents.server.tokens import Tokens
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs, today
from infra.settings import Settings
from stack_runtime.errors import UnreachableError

PORT = 8100
FILES = Path("/run/fds")
PROJECT = Path("/data/agents")
TOKENS = Path("/tmp/tokens")
"""Folder of the only valid token. It is not on the volume, so that a new secret makes the former one invalid."""
TOKEN_DAYS = 365


def main() -> None:
    """Write the stack file, register the stack's token, and serve over HTTP until the process is stopped."""
    document = json.loads((FILES / "stack.json").read_text())
    stack = document["stack"]
    (PROJECT / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": document["config"]}))  # JSON is valid YAML
    tokens = Tokens(TOKENS)
    tokens.add((FILES / "agents_token").read_text(), "stack", ("read", "propose"), TOKEN_DAYS, datetime.now(UTC))
    changes = ChangeService(
        Dependencies(
            project=PROJECT,
            planning_inputs=_planning_inputs,
            deploy=_refuse_deployment,
            check=lambda _: [],
        ),
        stack,
    )
    state = AppState(changes, stack, (), None, deploys=False)
    serve(create_app(state, tokens), "0.0.0.0", PORT)


def _planning_inputs(settings: Settings) -> PlanningInputs:
    """Return the inputs of a plan with the prices and the rate of this package, because the container has no API token.

    Their age is accepted: nothing is deployed here, each plan says how old they are, and the gate decides with current
    prices when a change is applied.
    """
    return PlanningInputs.of(settings, today(), project=PROJECT, allow_snapshot=True)


def _refuse_deployment(settings: Settings, check_plan: Callable[[Plan], None]) -> None:
    advice = f"fds scale --stack {settings.stack} in the project that deploys the stack"
    raise UnreachableError("the agents' container has no engine", next_command=advice)


if __name__ == "__main__":
    main()
