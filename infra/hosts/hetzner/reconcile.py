"""Correct the Pulumi state before a deployment or a removal, so that it matches the Hetzner account.

The two differ if an earlier deployment was killed, or if something was changed in the Hetzner console.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from infra.engine import state_edits
from infra.engine.errors import retry_when_busy
from infra.engine.stack_operations import StackOperations
from infra.hosts.base import Removed
from infra.hosts.hetzner import recovery, wanted
from infra.hosts.hetzner.account import Account
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import keys_folder
from stack_runtime.remote import write_access
from stack_runtime.text import Say


def before_deployment(deployment: StackOperations, say: Say) -> bool:
    """Correct the Pulumi state. If the server exists, update its firewall, switch it on, and wait until it answers.

    A server without its data volume is only switched on. All work through the account's API comes first, because the
    wait needs SSH, which an old firewall rule may block.

    Returns: whether the server's Docker can be reached.

    Raises:
        LockedError: another deployment is running.
        UnreachableError: the account or the server does not answer, or the account has none of the stack's resources.
    """
    account = bring_in_line(deployment, say)
    record = deployment.recorded()
    server = state_edits.recorded_server(record)
    if server is None:
        return False
    # Change the firewall and wait only if the server has its data volume, which it may lack after an interrupted `up`
    # or `down`. Without the volume, the server cannot become ready, and Pulumi cannot update only the firewall, because
    # the Docker provider depends on the attachment of the volume, which is missing.
    has_volume = "volume_attachment" in account.ids.keys() & state_edits.recorded_ids(record).keys()
    if has_volume:
        _update_firewall(deployment, account, record, say)
    address = recovery.switch_on(deployment.settings, server, say)
    if has_volume:
        _wait_for_server(deployment, address, say)
    return has_volume


def bring_in_line(deployment: StackOperations, say: Say) -> Account:
    """Correct the Pulumi state to match the account, and adopt resources that were created but are not in the state.

    A detached data volume is attached to the server again. If a resize is running, wait first until it has ended.

    Returns: the account's resources.
    """
    account = recovery.settled(deployment.settings, deployment.owner.identity, say)
    deployment.refuse_locked()  # another deployment may have begun while `settled` waited for a resize
    record = forget_gone(deployment, deployment.recorded(), account, say)
    recorded = state_edits.recorded_ids(record)
    if recovery.attach_again(deployment.settings, recorded, say):
        account = Account.of(deployment.settings, deployment.owner.identity)
    deployment.adopt = account.unrecorded(recorded).ids
    for kind, found in sorted(deployment.adopt.items()):
        say(f"adopting {kind.replace('_', ' ')} {found}, which an interrupted deployment left in the account")
    read_again(deployment, {*state_edits.touched(record), *state_edits.changed_unnoticed(record, account.facts)}, say)
    record = deployment.recorded()
    if record.get("pending_operations"):  # cleared only here: `state_edits.touched` above reads them
        deployment.record({**record, "pending_operations": []})
    return account


def read_again(deployment: StackOperations, urns: Iterable[str], say: Say) -> None:
    """Refresh these resources in the Pulumi state, because they may have changed in the account."""
    known = sorted(set(urns))
    if known:
        names = ", ".join(urn.rpartition("::")[2] for urn in known)
        say(f"the account may differ from what an earlier deployment recorded; reading again: {names}")
        deployment.refresh(known)


def forget_gone(
    deployment: StackOperations, record: state_edits.Deployment, account: Account, say: Say
) -> state_edits.Deployment:
    """Remove from the Pulumi state the resources that the account no longer has; Pulumi's provider may fail on them.

    Returns: the new state.
    """
    recorded = state_edits.recorded_ids(record)
    gone = recovery.gone(deployment.settings, recorded, account)
    if not deployment.leaving:
        _refuse_another_project(deployment.settings.stack, recorded, gone)
        if not gone & {"server", "volume"}:
            gone -= {"volume_attachment"}  # it stays in the state, because `attach_again` restores it in the account
    for kind in sorted(gone):
        say(f"{kind.replace('_', ' ')} {recorded[kind]} is gone from the account; removing it from the state")
    healed = state_edits.still_there(record, gone)
    if gone:
        healed = state_edits.without(healed, gone)
    if healed is not record:
        deployment.record(healed)
    return healed


def _update_firewall(deployment: StackOperations, account: Account, record: state_edits.Deployment, say: Say) -> None:
    """Deploy only the firewall if its rules change: with the old rules, SSH from a new address would time out."""
    firewall = [str(item["urn"]) for item in state_edits.resources(record) if state_edits.kind_of(item) == "firewall"]
    if firewall and wanted.rules_differ(deployment.settings, account):
        say("changing the firewall rules first, before waiting for the server")
        deployment.generate_secrets()
        retry_when_busy(lambda: deployment.up(firewall), say, lambda: bring_in_line(deployment, say))


def _refuse_another_project(stack: str, recorded: Mapping[str, str], gone: Set[str]) -> None:
    """Refuse a token whose account has none of the resources in the Pulumi state.

    The resources were probably not deleted: the token probably belongs to another project, where `fds up` would order a
    second server.
    """
    if "server" in gone and gone & set(state_edits.INDEPENDENT) == recorded.keys() & set(state_edits.INDEPENDENT):
        raise UnreachableError(
            f"the account of HCLOUD_TOKEN has no resource of the stack, but the state has {len(recorded)}",
            where=f"stack {stack}",
            next_command=f"use the token of the stack's project; if everything was deleted, fds down --stack {stack}",
        )


def _wait_for_server(deployment: StackOperations, address: str, say: Say) -> None:
    """Wait until a server of an earlier deployment accepts SSH and its Docker answers."""
    from stack_runtime.remote.ready import wait_until_ready

    folder = keys_folder(deployment.project, deployment.settings.stack)
    wait_until_ready(
        write_access(folder, address, deployment.secrets()), say, hint=wanted.ssh_rule(deployment.settings)
    )


def destroy(deployment: StackOperations, *, volumes: bool, say: Say) -> Removed:
    """Lift the server's protection, destroy the stack, and delete what else the stack has in the account.

    Data volumes are deleted only if `volumes` is true.
    """

    identity = deployment.owner.identity
    recorded = state_edits.recorded_ids(deployment.recorded())

    def destroyed() -> dict[str, int]:
        """Remove from the Pulumi state what an earlier attempt deleted in the account, then destroy the stack.

        Pulumi's provider may fail on resources that no longer exist.
        """
        account = Account.of(deployment.settings, identity)
        record = forget_gone(deployment, deployment.recorded(), account, say)
        recovery.lift_protection(deployment.settings, identity, recorded, volumes=volumes)
        deployment.record({**state_edits.unprotected(record), "pending_operations": []})
        return deployment.down()

    deployment.leaving = True
    count = retry_when_busy(destroyed, say).get("delete", 0)
    left = recovery.remove_leftovers(deployment.settings, identity, recorded, volumes=volumes)
    data = left.pop("volume", [])
    for kind, names in left.items():
        for name in names:
            say(f"removed {name} ({kind.replace('_', ' ')}), which an interrupted deployment left behind")
    return Removed(count + sum(map(len, left.values())), data)
