"""Test that agents change the prod stack only within the budget and with a person's approval."""

from __future__ import annotations

import pytest

from agents.changes.request import ScalingRequest
from agents.changes.service import ChangeService
from agents.factory import create_change_service
from stack_runtime.errors import RefusedError, UsageError
from tests.e2e.prod import STACK, Prod
from tests.kit.project import OTHERS


@pytest.fixture
def changes(prod: Prod, monkeypatch: pytest.MonkeyPatch) -> ChangeService:
    """Return the change service for a person who may deploy this stack."""
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in prod.project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(prod.project.folder)
    return create_change_service(prod.project.folder)


def test_refused_or_unapproved_proposal_changes_neither_server_nor_stack_file(
    prod: Prod, changes: ChangeService
) -> None:
    before, file = len(prod.api.writes()), prod.project.stack_file.read_bytes()
    over = changes.propose(STACK, ScalingRequest(reason="more", server_type="cpx42"), "ann")
    assert over.decision == "refuse" and "over the budget" in over.reason
    with pytest.raises(UsageError, match="no such proposal"):
        changes.approve(over.id, over.digest, "bob")
    bigger = changes.propose(STACK, ScalingRequest(reason="more", server_type="cpx32"), "ann")
    with pytest.raises(RefusedError, match="not an approval"):
        changes.apply(bigger.id, "yes", "ann")
    assert len(prod.api.writes()) == before and prod.project.stack_file.read_bytes() == file


def test_approved_change_to_a_larger_server_keeps_the_data(prod: Prod, changes: ChangeService) -> None:
    rows = prod.rows()
    proposal = changes.propose(STACK, ScalingRequest(reason="more rows", server_type="cpx32"), "ann")
    assert proposal.decision == "accept"
    outcome = changes.apply(proposal.id, changes.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert (outcome.status, outcome.problems) == ("applied", ())
    assert prod.server.server_type.name == "cpx32"
    containers = prod.containers()
    # The change ran from this repository's sources. `up` runs from the project's copy, and must build the same images.
    prod.project.json("up")
    assert (prod.containers(), prod.rows()) == (containers, rows)
