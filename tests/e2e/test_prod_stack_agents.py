"""The agents on the prod stack: a proposal is made only within the budget, and only as a person approved it."""

from __future__ import annotations

import pytest

from agents.ground import desk
from agents.request import ScalingRequest
from agents.scaling import ScalingDesk
from stack_runtime.errors import RefusedError, UsageError
from tests.e2e.prod import STACK, Prod
from tests.kit.project import OTHERS


@pytest.fixture
def office(prod: Prod, monkeypatch: pytest.MonkeyPatch) -> ScalingDesk:
    """The agents' desk, as somebody has it who may deploy this stack."""
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in prod.project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(prod.project.folder)
    return desk(prod.project.folder)


def test_what_is_refused_or_not_approved_touches_nothing(prod: Prod, office: ScalingDesk) -> None:
    before, file = len(prod.api.writes()), prod.project.stack_file.read_bytes()
    over = office.propose(STACK, ScalingRequest(reason="more", server_type="cpx42"), "ann")
    assert over.decision == "refuse" and "over the budget" in over.reason
    with pytest.raises(UsageError, match="no such proposal"):
        office.approve(over.id, over.digest, "bob")
    bigger = office.propose(STACK, ScalingRequest(reason="more", server_type="cpx32"), "ann")
    with pytest.raises(RefusedError, match="no approval"):
        office.apply(bigger.id, "yes", "ann")
    assert len(prod.api.writes()) == before and prod.project.stack_file.read_bytes() == file


def test_an_approved_bigger_server_keeps_the_data(prod: Prod, office: ScalingDesk) -> None:
    rows = prod.rows()
    proposal = office.propose(STACK, ScalingRequest(reason="more rows", server_type="cpx32"), "ann")
    assert proposal.decision == "accept"
    outcome = office.apply(proposal.id, office.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert (outcome.status, outcome.problems) == ("applied", ())
    assert prod.server.server_type.name == "cpx32"
    containers = prod.containers()
    prod.project.json("up")  # from another folder than the desk deployed from: images are looked at anew, and found
    assert (prod.containers(), prod.rows()) == (containers, rows)
