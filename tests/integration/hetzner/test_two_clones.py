"""Test that a clone uses resources of another clone with the same stack name and account only if a person confirms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.engine import identity
from infra.engine.identity import EngineState
from infra.engine.progress import Progress
from infra.hosts.hetzner.account import IDENTITY
from infra.operations import deploy
from infra.operations.destroy import remove
from infra.operations.preview import rehearsal
from infra.ownership import ForeignError
from tests.integration.hetzner.conftest import SETTINGS, STACK, Healing
from tests.kit.project import Project

pytestmark = pytest.mark.timeout(600)

KINDS = ("servers", "volumes", "firewalls", "networks", "ssh_keys")


def cloned(healing: Healing, folder: Path) -> Healing:
    """Return a second clone with the same account, stack name and settings, but its own Pulumi state."""
    folder.mkdir()
    project = Project(folder, STACK, SETTINGS, dict(healing.api.environment))
    project.take_secrets()
    return Healing(healing.api, project)


@pytest.fixture
def clone(healing: Healing, tmp_path: Path) -> Healing:
    """Return a second clone of the project; the stack is already deployed from the first clone."""
    return cloned(healing, tmp_path / "clone")


def identities(healing: Healing) -> set[str]:
    """Return the identities in the labels of all resources in the account."""
    return {each.labels.get(IDENTITY, "") for kind in KINDS for each in getattr(healing.client, kind).get_all()}


def own(healing: Healing) -> str:
    return healing.deployment().owner.identity


def preview(clone: Healing) -> None:
    """Preview a deployment as `fds preview` does in a clone that has deployed nothing."""
    with rehearsal(clone.project.folder, STACK, Progress(None)) as operations:
        operations.preview(lambda _: None)


SLOW = pytest.mark.slow
DEPLOYING = (Healing.up, Healing.plain_up, preview)
"""Functions that make the engine run the Pulumi program."""


@pytest.mark.parametrize(
    "verb", [Healing.up, *(pytest.param(verb, marks=SLOW) for verb in (Healing.down, Healing.plain_up, preview))]
)
def test_command_in_another_clone_is_refused_and_changes_nothing(
    healing: Healing, clone: Healing, verb: Callable[[Healing], object]
) -> None:
    healing.up()
    before, writes = healing.api.account(), len(healing.api.writes())
    with pytest.raises(ForeignError) as caught:
        verb(clone)
    assert f"another stack {STACK}, made by {own(healing)}, has" in caught.value.what
    assert caught.value.next_command.endswith(f"--take-over {own(healing)}")
    assert (healing.api.account(), len(healing.api.writes())) == (before, writes)
    assert healing.up() == {}


def test_plain_pulumi_in_another_clone_is_refused(healing: Healing, clone: Healing) -> None:
    """Run `pulumi up` as a separate process, without `fds`."""
    clone.deployment()
    writes = len(healing.api.writes())
    up = clone.project.engine("up", "--yes", "--skip-preview")
    assert up.returncode and f"made by {own(healing)}, has" in up.stdout + up.stderr, up.stdout + up.stderr
    assert len(healing.api.writes()) == writes


@pytest.mark.parametrize(
    "typed", ["", *(pytest.param(typed, marks=pytest.mark.slow) for typed in (STACK, "prod", "somebody-else-00000000"))]
)
def test_confirmation_that_does_not_name_the_owner_is_refused(healing: Healing, clone: Healing, typed: str) -> None:
    writes = len(healing.api.writes())
    with pytest.raises(ForeignError):
        deploy.deploy(clone.project.folder, STACK, clone.said.append, watched=False, take_over=typed)
    with pytest.raises(ForeignError):
        remove(clone.deployment(), volumes=True, say=clone.said.append, take_over=typed)
    assert len(healing.api.writes()) == writes


@pytest.mark.slow
def test_typed_confirmation_takes_over_the_resources_and_the_former_owner_is_refused(
    healing: Healing, clone: Healing
) -> None:
    server, volume, former = healing.server.id, healing.volume.id, own(healing)
    deploy.deploy(clone.project.folder, STACK, clone.said.append, watched=False, take_over=former)
    try:
        assert (clone.server.id, clone.volume.id) == (server, volume)
        assert identities(clone) == {own(clone)} and clone.up() == {}
        for verb in (Healing.up, Healing.down):
            with pytest.raises(ForeignError, match=f"made by {own(clone)}, has"):
                verb(healing)
    finally:
        back = own(clone)
        deploy.deploy(healing.project.folder, STACK, healing.said.append, watched=False, take_over=back)
    assert identities(healing) == {former} and healing.up() == {}


@pytest.mark.slow
def test_down_removes_resources_of_another_clone_if_take_over_names_their_owner(empty: Healing, tmp_path: Path) -> None:
    empty.up()
    other = cloned(empty, tmp_path / "clone")
    remove(other.deployment(), volumes=True, say=other.said.append, take_over=own(empty))
    empty.api.settle()
    assert empty.api.account() == empty.api.empty()


@pytest.mark.slow
def test_resources_of_a_killed_first_deployment_are_adopted_by_the_next_up(empty: Healing) -> None:
    """The resources are in the account and labelled with the identity of the Pulumi state, but the state lacks them."""
    empty.up()
    server, deployment = empty.server.id, empty.deployment()
    deployment.record({**deployment.recorded(), "resources": [], "pending_operations": []})
    empty.up()
    assert empty.server.id == server and any("adopting server" in line for line in empty.said)
    assert empty.up() == {}


def _without_identity(healing: Healing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deploy as an earlier version did: neither the Pulumi state nor the labels in the account have an identity."""
    with monkeypatch.context() as patch:
        patch.setattr(EngineState, "owner", lambda *_, **__: identity.Owner("", dict))
        patch.setattr("infra.program.claim", lambda *_, **__: None)
        patch.setattr("infra.operations.reconcile.claim", lambda *_, **__: None)
        healing.up()
    assert identities(healing) == {""}


@pytest.mark.slow
def test_stack_of_an_earlier_version_is_updated_in_place(empty: Healing, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_identity(empty, monkeypatch)
    server = empty.server.id
    changes = empty.up()
    assert changes.keys() == {"update"} and empty.server.id == server
    assert identities(empty) == {own(empty)} and empty.up() == {}


@pytest.mark.slow
def test_plain_pulumi_updates_a_stack_of_an_earlier_version_in_place(
    empty: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_identity(empty, monkeypatch)
    server = empty.server.id
    empty.plain_up()
    assert identities(empty) == {own(empty)} and empty.server.id == server


@pytest.mark.slow
def test_another_clone_cannot_use_resources_of_an_earlier_version_without_confirmation(
    empty: Healing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _without_identity(empty, monkeypatch)
    other = cloned(empty, tmp_path / "clone")
    for verb in (*DEPLOYING, Healing.down):
        with pytest.raises(ForeignError, match="made by an earlier version with another state") as caught:
            verb(other)
        assert caught.value.confirmation == STACK
    assert identities(empty) == {""}
    remove(other.deployment(), volumes=True, say=other.said.append, take_over=STACK)
    empty.api.settle()
    assert empty.api.account() == empty.api.empty()


@pytest.mark.slow
def test_up_uses_the_kept_data_volume_again_after_a_down_without_the_option_volumes(empty: Healing) -> None:
    empty.up()
    volume, former = empty.volume.id, own(empty)
    remove(empty.deployment(), volumes=False, say=empty.said.append)
    assert own(empty) == former
    empty.up()
    assert empty.volume.id == volume


def test_clone_that_imports_a_pulumi_state_gets_the_identity_in_this_state(healing: Healing, tmp_path: Path) -> None:
    """Copy the Pulumi state as `pulumi stack export` and `pulumi stack import` do."""
    former = own(healing)
    other = cloned(healing, tmp_path / "clone")
    other.deployment().record(healing.deployment().recorded())
    assert own(other) == former
