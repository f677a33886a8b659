"""`python -m agents.contained`: the server in its container. It plans and tells; it has no engine to apply with.

Its project is a folder on its own volume, with the stack file made anew from the settings that were deployed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agents.api import Office, app
from agents.scaling import Ground, ScalingDesk
from agents.serving import serve
from agents.tokens import Tokens
from infra.cost import Plan
from infra.cost.planning_inputs import PlanningInputs
from infra.settings import Settings
from stack_runtime.errors import UnreachableError

PORT = 8100
FILES = Path("/run/fds")
HOME = Path("/data/agents")
YEAR = 365


def main() -> None:
    """Serve until told to stop."""
    document = json.loads((FILES / "stack.json").read_text())
    stack = document["stack"]
    (HOME / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": document["config"]}))  # JSON is YAML
    tokens = Tokens(HOME / ".fds")
    tokens.keep((FILES / "agents_token").read_text(), "stack", ("read", "propose"), YEAR, datetime.now(UTC))
    desk = ScalingDesk(
        Ground(
            project=HOME,
            basis=lambda settings: PlanningInputs.of(settings, datetime.now(UTC).date(), project=HOME),
            deploy=_cannot,
            check=lambda _: [],
        ),
        stack,
    )
    office = Office(desk, stack, (), None, deploys=False)
    serve(app(office, tokens), "0.0.0.0", PORT)


def _cannot(settings: Settings, agreed: Callable[[Plan], None]) -> None:
    advice = f"fds scale --stack {settings.stack} where it is deployed"
    raise UnreachableError("the agents' container has no engine", next_command=advice)


if __name__ == "__main__":
    main()
