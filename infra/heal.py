"""Before a deployment: bring the engine's record in line with what a kill, or a hand in the console, left behind."""

from __future__ import annotations

from collections.abc import Callable

from infra import state
from infra.deploy import Deployment
from infra.hosts.hetzner import recovery
from infra.hosts.hetzner.account import Account
from infra.reach import daemon
from stack_runtime.docker_host import ids, remove_unrecorded
from stack_runtime.errors import UnreachableError

Say = Callable[[str], None]


def heal(deployment: Deployment, say: Say) -> None:
    """Forget a server that is gone, and remove containers that were made but never recorded.

    Raises:
        UnreachableError: the account does not say whether the server exists.
    """
    record = deployment.recorded()
    if deployment.settings.host == "hetzner":
        record = _heal_account(deployment, record, say)
        if state.recorded_server(record) is None:
            return
    _remove_strays(deployment, record, say)


def _heal_account(deployment: Deployment, record: state.Deployment, say: Say) -> state.Deployment:
    """Forget a server that is gone; find what was made but never recorded. Returns: the record as it is now."""
    server = state.recorded_server(record)
    if server and not recovery.server_exists(server):
        say(f"server {server} is gone from the account; what lived on it is forgotten, its data volume is kept")
        record = state.without_server(record)
        deployment.record(record)
    deployment.adopt = Account.of(deployment.settings).unrecorded(state.recorded_ids(record))
    for kind, found in sorted(deployment.adopt.ids.items()):
        say(f"adopting {kind.replace('_', ' ')} {found}, which an interrupted deployment left in the account")
    if record.get("pending_operations"):
        record = {**record, "pending_operations": []}
        deployment.record(record)
    return record


def _remove_strays(deployment: Deployment, record: state.Deployment, say: Say) -> None:
    stack = deployment.settings.stack
    known = {str(item["id"]) for item in state.resources(record) if item["type"] == state.CONTAINER}
    try:
        with daemon(deployment.project, stack) as client:
            for name in remove_unrecorded(client, stack, known):
                say(f"removed {name}, which an interrupted deployment left behind")
            if known - ids(client, stack):
                say("containers of the stack are gone, so its record is refreshed first")
                deployment.refresh_first = True
    except UnreachableError:
        if deployment.settings.host == "local":
            raise  # a server that does not answer yet is waited for by the deployment itself
