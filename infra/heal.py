"""Before a deployment: bring the engine's record in line with what a kill, or a hand in the console, left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from infra import state
from infra.deploy import Deployment
from infra.hosts.hetzner.account import Account
from infra.reach import daemon, keys_folder
from stack_runtime.docker_host import ids, remove_unrecorded, start_stopped
from stack_runtime.errors import UnreachableError
from stack_runtime.remote import write_access

Say = Callable[[str], None]


def heal(deployment: Deployment, say: Say) -> None:
    """Forget what is gone, start what was stopped, and remove what was made there but never recorded.

    Raises:
        LockedError: another deployment is at work.
        UnreachableError: the account does not say what it holds, holds nothing of the stack, or the server does not
            answer.
    """
    deployment.refuse_locked()
    account = _account(deployment, say)
    record = deployment.recorded()
    if account is not None:
        record = _heal_account(deployment, account, record, say)
        server = state.recorded_server(record)
        if server is None or not _may_be_ready(deployment, account, server, say):
            return
    _remove_strays(deployment, record, say)


def _account(deployment: Deployment, say: Say) -> Account | None:
    """What the account holds, once it resizes nothing of the stack; None for a stack on this machine."""
    if deployment.settings.host != "hetzner":
        return None
    from infra.hosts.hetzner.recovery import settled  # 0.3 s that a stack on this machine does not need

    account = settled(deployment.settings, say)
    deployment.refuse_locked()  # that may have taken minutes
    return account


def _heal_account(deployment: Deployment, account: Account, record: state.Deployment, say: Say) -> state.Deployment:
    """Forget what is gone; find what was made or changed but never recorded. Returns: the record now."""
    from infra.hosts.hetzner import recovery

    recorded = state.recorded_ids(record)
    gone = recovery.gone(deployment.settings, recorded, account)
    _refuse_another_project(deployment.settings.stack, recorded, gone)
    record = forget(deployment, record, gone, say)
    deployment.adopt = account.unrecorded(state.recorded_ids(record))
    for kind, found in sorted(deployment.adopt.ids.items()):
        say(f"adopting {kind.replace('_', ' ')} {found}, which an interrupted deployment left in the account")
    changed = state.changed_unnoticed(record, account.sizes)
    if record.get("pending_operations"):
        record = {**record, "pending_operations": []}
        deployment.record(record)
    if changed:
        say("an interrupted deployment changed sizes in the account, so they are read again")
        deployment.refresh(changed)
        record = deployment.recorded()
    return record


def _refuse_another_project(stack: str, recorded: Mapping[str, str], gone: Set[str]) -> None:
    """All at once is seldom deleted, but looks so with another project's token; a second server would be paid."""
    if "server" in gone and gone == recorded.keys() & set(state.BY_THEMSELVES):
        raise UnreachableError(
            f"the account of HCLOUD_TOKEN holds nothing of the stack, of which {len(gone)} parts are recorded",
            where=f"stack {stack}",
            next_command=f"take the token of the stack's own project, or if all was deleted, fds down --stack {stack}",
        )


def forget(deployment: Deployment, record: state.Deployment, gone: Set[str], say: Say) -> state.Deployment:
    """Forget what the account no longer holds: the provider takes it for granted, or breaks on removing it.

    Returns: the record now.
    """
    recorded = state.recorded_ids(record)
    for kind in sorted(gone):
        say(f"{kind.replace('_', ' ')} {recorded[kind]} is gone from the account, so it is forgotten")
    if gone:
        record = state.without(record, gone)
        deployment.record(record)
    return record


def _may_be_ready(deployment: Deployment, account: Account, server: str, say: Say) -> bool:
    """Wait for a server that has booted before; one without its data volume cannot, so that it is left alone here."""
    from infra.hosts.hetzner import recovery
    from stack_runtime.remote.ready import wait_until_ready

    address = recovery.switch_on(deployment.settings, server, say)
    if "volume_attachment" not in account.ids:
        return False
    folder = keys_folder(deployment.project, deployment.settings.stack)
    wait_until_ready(write_access(folder, address, deployment.secrets()), say)
    return True


def _remove_strays(deployment: Deployment, record: state.Deployment, say: Say) -> None:
    stack = deployment.settings.stack
    containers, networks = (state.ids_of(record, kind) for kind in (state.CONTAINER, state.NETWORK))
    with daemon(deployment.project, stack) as client:
        deployment.refuse_locked()  # one that has begun meanwhile makes what only looks like a stray
        for name in remove_unrecorded(client, stack, containers, networks):
            say(f"removed {name}, which an interrupted deployment left behind")
        for name in start_stopped(client, stack):
            say(f"started {name}, which somebody had stopped")
        if containers - ids(client, stack):
            say("containers of the stack are gone, so its record is refreshed first")
            deployment.refresh_first = True
