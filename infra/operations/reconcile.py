"""Before a deployment: bring the engine's record in line with what a kill, or a hand in the console, left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from infra.docker_access import daemon, keys_folder
from infra.engine import state_edits
from infra.engine.errors import retry_when_busy
from infra.engine.stack_operations import StackOperations
from infra.hosts.hetzner.account import Account
from stack_runtime.docker_host import ids, remove_unrecorded, start_stopped
from stack_runtime.errors import UnreachableError
from stack_runtime.remote import write_access

Say = Callable[[str], None]


def reconcile(deployment: StackOperations, say: Say) -> state_edits.Deployment:
    """Correct the engine's record, start what was stopped, and remove containers that the record does not have.

    All work through the account's API comes before the wait for the server, because a firewall rule may block SSH.

    Returns: the engine's record.

    Raises:
        LockedError: another deployment is running.
        UnreachableError: the account cannot be read, has nothing of the stack, or the server does not answer.
    """
    deployment.refuse_locked()
    account = bring_in_line(deployment, say)
    record = deployment.recorded()
    if account is not None:
        server = state_edits.recorded_server(record)
        if server is None:
            return record
        _let_in(deployment, account, record, say)
        if not _may_be_ready(deployment, account, server, say):
            return record
        record = deployment.recorded()
    _remove_strays(deployment, record, say)
    return record


def bring_in_line(deployment: StackOperations, say: Say) -> Account | None:
    """Correct the engine's record to match the account, and adopt resources that were created but never recorded.

    Called before a deployment and before each retry. Returns: the account's resources, after any running resize has
    ended; None for a stack on this machine.
    """
    if deployment.settings.host != "hetzner":
        return None
    from infra.hosts.hetzner import recovery  # 0.3 s that a stack on this machine does not need

    account = recovery.settled(deployment.settings, say)
    deployment.refuse_locked()  # that may have taken minutes
    record = forget_gone(deployment, deployment.recorded(), account, say)
    recorded = state_edits.recorded_ids(record)
    if recovery.attach_again(deployment.settings, recorded, say):
        account = Account.of(deployment.settings)
    deployment.adopt = account.unrecorded(recorded)
    for kind, found in sorted(deployment.adopt.ids.items()):
        say(f"adopting {kind.replace('_', ' ')} {found}, which an interrupted deployment left in the account")
    read_again(deployment, {*state_edits.touched(record), *state_edits.changed_unnoticed(record, account.facts)}, say)
    record = deployment.recorded()
    if record.get("pending_operations"):  # cleared only now: `state_edits.touched` needs them above
        deployment.record({**record, "pending_operations": []})
    return account


def read_again(deployment: StackOperations, urns: Iterable[str], say: Say) -> None:
    """Refresh these resources, whose record may differ from the account."""
    known = sorted(set(urns))
    if known:
        names = ", ".join(urn.rpartition("::")[2] for urn in known)
        say(f"the account may differ from what an earlier deployment recorded; reading again: {names}")
        deployment.refresh(known)


def forget_gone(
    deployment: StackOperations, record: state_edits.Deployment, account: Account, say: Say
) -> state_edits.Deployment:
    """Remove resources from the record that the account no longer has; the provider fails to read or delete some.

    Returns: the new record.
    """
    from infra.hosts.hetzner import recovery

    recorded = state_edits.recorded_ids(record)
    gone = recovery.gone(deployment.settings, recorded, account)
    if not deployment.leaving:
        _refuse_another_project(deployment.settings.stack, recorded, gone)
        if not gone & {"server", "volume"}:
            gone -= {"volume_attachment"}  # the volume is attached again
    for kind in sorted(gone):
        say(f"{kind.replace('_', ' ')} {recorded[kind]} is gone from the account; removing it from the state")
    healed = state_edits.still_there(record, gone)
    if gone:
        healed = state_edits.without(healed, gone)
    if healed is not record:
        deployment.record(healed)
    return healed


def _let_in(deployment: StackOperations, account: Account, record: state_edits.Deployment, say: Say) -> None:
    """Deploy the firewall first if its rules change: without the new rule, SSH from a new address would time out."""
    from infra.hosts.hetzner import wanted

    firewall = [str(item["urn"]) for item in state_edits.resources(record) if state_edits.kind_of(item) == "firewall"]
    if firewall and wanted.rules_differ(deployment.settings, account):
        say("changing the firewall rules first, before waiting for the server")
        deployment.generate_secrets()
        retry_when_busy(lambda: deployment.up(firewall), say, lambda: bring_in_line(deployment, say))


def differences(deployment: StackOperations) -> dict[str, str]:
    """Return how the account differs from the settings after a deployment: a text for each kind of resource."""
    if deployment.settings.host != "hetzner":
        return {}
    from infra.hosts.hetzner import wanted

    return wanted.differences(deployment.settings, Account.of(deployment.settings))


def _refuse_another_project(stack: str, recorded: Mapping[str, str], gone: Set[str]) -> None:
    """All at once is seldom deleted, but looks so with another project's token; a second server would be paid."""
    if "server" in gone and gone & set(state_edits.BY_THEMSELVES) == recorded.keys() & set(state_edits.BY_THEMSELVES):
        raise UnreachableError(
            f"the account of HCLOUD_TOKEN holds nothing of the stack, of which {len(recorded)} parts are recorded",
            where=f"stack {stack}",
            next_command=f"take the token of the stack's own project, or if all was deleted, fds down --stack {stack}",
        )


def _may_be_ready(deployment: StackOperations, account: Account, server: str, say: Say) -> bool:
    """Wait for a server that has booted before; one without its data volume cannot, so that it is left alone here."""
    from infra.hosts.hetzner import recovery, wanted
    from stack_runtime.remote.ready import wait_until_ready

    address = recovery.switch_on(deployment.settings, server, say)
    if "volume_attachment" not in account.ids:
        return False
    folder = keys_folder(deployment.project, deployment.settings.stack)
    wait_until_ready(
        write_access(folder, address, deployment.secrets()), say, hint=wanted.ssh_rule(deployment.settings)
    )
    return True


def _remove_strays(deployment: StackOperations, record: state_edits.Deployment, say: Say) -> None:
    stack = deployment.settings.stack
    containers, networks = (state_edits.ids_of(record, kind) for kind in (state_edits.CONTAINER, state_edits.NETWORK))
    with daemon(deployment.project, stack) as client:
        deployment.refuse_locked()  # one that has begun meanwhile makes what only looks like a stray
        for name in remove_unrecorded(client, stack, containers, networks):
            say(f"removed {name}, which an interrupted deployment left behind")
        for name in start_stopped(client, stack):
            say(f"started {name}, which somebody had stopped")
        if containers - ids(client, stack):
            say("containers of the stack are gone, so its record is refreshed first")
            deployment.refresh_first = True
