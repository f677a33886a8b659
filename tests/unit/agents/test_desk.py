"""The desk between request and change."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.proposal import Proposal
from agents.request import ScalingRequest
from infra import stack_file
from stack_runtime.errors import RefusedError, StackError, UsageError
from tests.evals.world import World
from tests.kit.timing import p95


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "project"
    folder.mkdir()
    return World(folder)


def test_a_proposal_survives_the_ledger_with_its_digest(world: World) -> None:
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", memory_mb={"postgres": 256}, days=3), "ann")
    kept = world.desk.find(proposal.id).proposal
    assert (kept, kept.digest) == (proposal, proposal.digest)


@pytest.mark.parametrize("field", sorted(set(Proposal.model_fields) - {"id"}))
def test_the_digest_covers_every_field(world: World, field: str) -> None:
    one = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    other = world.desk.propose("prod", ScalingRequest(reason="y", backups=True, days=2), "bob")
    changed = one.model_copy(update={field: getattr(other, field)})
    same = getattr(one, field) == getattr(other, field)
    assert (changed.digest == one.digest) is same


def test_the_edit_is_small_and_keeps_comments(world: World) -> None:
    path = stack_file.path_of(world.folder, "prod")
    before = path.read_text()
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    world.desk.apply(proposal.id, world.desk.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert path.read_text() == before + "  freelancer-data-stack:volumeGb: 50\n"


def test_the_paragraph_says_what_and_how_much(world: World) -> None:
    fits = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann").reason
    too_much = world.desk.propose("prod", ScalingRequest(reason="x", server_type="cpx42"), "ann").reason
    assert "volumeGb 10 → 50" in fits and "of $50.00 a month" in fits and "\n" not in fits
    assert too_much.startswith("Refused: serverType cpx22 → cpx42.") and "over the budget" in too_much


def test_a_failed_deployment_is_told_and_recorded(world: World) -> None:
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = world.desk.approve(proposal.id, proposal.digest, "bob")
    world.deployment = "fails"
    with pytest.raises(StackError, match="the engine failed"):
        world.desk.apply(proposal.id, token, "ann")
    last = world.desk.history("prod", 1)[0]
    assert (last["event"], last["person"], last["approver"]) == ("failed", "ann", "bob")
    assert stack_file.read(world.folder, "prod") == world.original


def test_failed_deployment_keeps_the_secrets_that_it_generated(world: World) -> None:
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = world.desk.approve(proposal.id, proposal.digest, "bob")

    def generate_and_fail() -> None:
        stack_file.write(world.folder, "prod", {"secrets": {"ssh_key": {"secure": "v1:new"}}})
        raise StackError("the server does not answer")

    world.before_deploying = generate_and_fail
    with pytest.raises(StackError, match="does not answer"):
        world.desk.apply(proposal.id, token, "ann")
    assert stack_file.read(world.folder, "prod") == world.original
    assert stack_file.config(world.folder, "prod")["freelancer-data-stack:secrets"]["ssh_key"]["secure"] == "v1:new"


@pytest.mark.parametrize(
    ("change", "says"), [({"prices": Decimal("1.2")}, "were approved"), ({"sold_out": "cpx22"}, "another server")]
)
def test_plan_that_changes_before_the_engine_runs_is_not_deployed(
    world: World, change: dict[str, Any], says: str
) -> None:
    world.edit({"serverType": "auto", "budgetUsd": 60})
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = world.desk.approve(proposal.id, proposal.digest, "bob")

    def happen() -> None:
        for name, value in change.items():
            setattr(world, name, value)

    world.before_deploying = happen
    with pytest.raises(RefusedError, match=says):
        world.desk.apply(proposal.id, token, "ann")
    assert (world.deployed, stack_file.read(world.folder, "prod")) == ([], world.original)


def test_way_back_whose_plan_changes_before_the_engine_runs_stays_due(world: World) -> None:
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", backups=True, days=1), "ann")
    world.desk.apply(proposal.id, world.desk.approve(proposal.id, proposal.digest, "bob"), "ann")
    world.now += timedelta(days=2)
    world.before_deploying = lambda: setattr(world, "prices", Decimal("1.4"))
    assert [outcome.status for outcome in world.desk.expire()] == ["not taken back"]
    world.before_deploying, world.prices = lambda: None, Decimal(1)
    assert [outcome.status for outcome in world.desk.expire()] == ["taken back"]


def test_history_cannot_be_rewritten(world: World) -> None:
    world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    with sqlite3.connect(world.folder / ".fds" / "agents.sqlite") as connection:
        for statement in ("UPDATE history SET person = 'x'", "DELETE FROM history"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                connection.execute(statement)


def test_history_without_hashes_is_continued_with_hashes(world: World) -> None:
    """The first line with a hash also covers the older lines without one."""
    file = world.folder / ".fds" / "agents.sqlite"
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    with sqlite3.connect(file) as connection:
        for name in ("history_stays", "history_is_kept", "history_is_not_replaced", "history_has_no_gaps"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("ALTER TABLE history DROP COLUMN hash")
    world.restart()
    token = world.desk.approve(proposal.id, proposal.digest, "bob")
    assert [line["event"] for line in world.desk.history("prod")] == ["approved", "planned: accept"]
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TRIGGER history_stays")
        connection.execute("UPDATE history SET person = 'owner' WHERE number = 1")
    world.restart()
    assert world.desk.history("prod")[0]["event"].startswith("tampered with: line ")
    with pytest.raises(RefusedError, match="not what was recorded"):
        world.desk.apply(proposal.id, token, "ann")


@pytest.mark.parametrize("statement", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "UPSERT"])
def test_replacing_a_history_line_is_refused(world: World, statement: str) -> None:
    world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    before = world.desk.history("prod")
    verb, end = ("INSERT", " ON CONFLICT DO UPDATE SET person = 'x'") if statement == "UPSERT" else (statement, "")
    row = (
        "INTO history (number, at, stack, person, event, proposal, document) VALUES (1, '', 'prod', 'x', '', '', '{}')"
    )
    file = world.folder / ".fds" / "agents.sqlite"
    with contextlib.suppress(sqlite3.IntegrityError), sqlite3.connect(file) as connection:
        connection.execute(f"{verb} {row}{end}")
    assert world.desk.history("prod") == before


def test_reading_writes_nothing_into_the_ledger(world: World) -> None:
    proposal = world.desk.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    file = world.folder / ".fds" / "agents.sqlite"
    before = file.read_bytes()
    world.now += timedelta(hours=1)
    world.desk.plan("prod"), world.desk.settings("prod"), world.desk.history("prod"), world.desk.find(proposal.id)
    assert file.read_bytes() == before


def test_unknown_stacks_and_proposals_are_said(world: World) -> None:
    with pytest.raises(UsageError, match=r"Pulumi\.nowhere\.yaml"):
        world.desk.propose("nowhere", ScalingRequest(reason="x", workers=2), "ann")
    with pytest.raises(UsageError, match="no such proposal"):
        world.desk.find("0" * 16)


def test_planning_takes_under_50_ms_of_this_machine_s_time(world: World) -> None:
    """Parse, plan, verdict, alternatives; in processor time."""
    words = '{"reason": "x", "server_type": "cpx42", "volume_gb": 100}'
    assert p95(lambda: world.desk.propose("prod", ScalingRequest.model_validate_json(words), "ann"), 40) < 0.05
