"""Before a deployment: bring the engine's record in line with what a kill, or a hand in the console, left behind."""

from __future__ import annotations

from collections.abc import Callable

from infra import state
from infra.deploy import Deployment
from infra.hosts.hetzner import recovery
from infra.reach import daemon
from infra.settings import PROJECT
from stack_runtime.docker_host import remove_unrecorded
from stack_runtime.errors import UnreachableError


def heal(deployment: Deployment, say: Callable[[str], None]) -> None:
    """Forget a server that is gone, and remove containers that were made but never recorded.

    Raises:
        UnreachableError: the account does not say whether the server exists.
    """
    record = deployment.recorded()
    if deployment.settings.host == "hetzner":
        server = state.recorded_server(record)
        if server and not recovery.server_exists(server):
            say(f"server {server} is gone from the account; what lived on it is forgotten, its data volume is kept")
            deployment.record(state.without_server(record))
            return
        if server is None:
            return
    stack = deployment.settings.stack
    known = {str(item["id"]) for item in state.resources(record) if item["type"] == state.CONTAINER}
    try:
        with daemon(deployment.project, stack) as client:
            for name in remove_unrecorded(client, stack, known):
                say(f"removed {name}, which an interrupted deployment of {PROJECT} left behind")
    except UnreachableError:
        if deployment.settings.host == "local":
            raise  # a server that does not answer yet is waited for by the deployment itself
