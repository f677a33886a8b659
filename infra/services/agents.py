"""Define the service `agents`, which plans changes and reports costs for other services of the stack.

It has neither Pulumi nor Docker's socket, so it cannot apply changes. It has no route, because the login of the proxy
uses the same HTTP header as the bearer tokens of this service.
"""

from __future__ import annotations

import json

from infra.services._model import Build, Context, File, Health, Resources, Service, Volume, answers, secret
from stack_runtime.paths import PROJECT


def _stack(context: Context) -> str:
    """Return, as JSON, the name of the stack and its settings with the keys of a stack file, without secrets."""
    values = context.settings.model_dump(mode="json", by_alias=True, exclude={"stack"}, exclude_none=True)
    config = {f"{PROJECT}:{key}": value for key, value in sorted(values.items())}
    return json.dumps({"stack": context.settings.stack, "config": config}, indent=1)


SERVICE = Service(
    name="agents",
    image=Build("data_stack/images/agents/Dockerfile"),
    profile="agents",
    user="10001:10001",
    secrets=("agents_token",),
    files=(secret("agents_token"), File("stack.json", _stack)),
    volumes=(Volume("agents", "/data/agents"),),
    tmpfs=("/tmp",),
    resources=Resources(
        memory_mb=104,
        memory_limit_mb=192,
        cpu=0.05,
        cpu_limit=1.0,
        image_mb=336,
        measured="96 MiB at the peak of 200 planning requests at once, 75 MiB at rest",
    ),
    health=Health(answers(8100, "/health"), interval_s=10, retries=12),
)
