"""Test that `ChangeService` plans, approves, applies, reverts and records changes."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.changes.ledger import Ledger
from agents.changes.proposal import Proposal
from agents.changes.request import ScalingRequest
from infra import stack_file
from stack_runtime.errors import LockedError, RefusedError, StackError, UsageError
from tests.evals.environment import EvalEnvironment
from tests.kit.timing import p95


@pytest.fixture
def env(tmp_path: Path) -> EvalEnvironment:
    folder = tmp_path / "project"
    folder.mkdir()
    return EvalEnvironment(folder)


def test_proposal_read_from_the_database_equals_the_created_proposal(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", memory_mb={"postgres": 256}, days=3), "ann")
    kept = env.changes.find(proposal.id).document
    assert (kept, kept.digest) == (proposal, proposal.digest)


@pytest.mark.parametrize("field", sorted(set(Proposal.model_fields) - {"id"}))
def test_digest_of_a_proposal_changes_with_every_field_except_the_id(env: EvalEnvironment, field: str) -> None:
    one = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    other = env.changes.propose("prod", ScalingRequest(reason="y", backups=True, days=2), "bob")
    changed = one.model_copy(update={field: getattr(other, field)})
    same = getattr(one, field) == getattr(other, field)
    assert (changed.digest == one.digest) is same


def test_applied_change_adds_one_line_to_the_stack_file_and_keeps_the_rest(env: EvalEnvironment) -> None:
    path = stack_file.path_of(env.folder, "prod")
    before = path.read_text()
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    env.changes.apply(proposal.id, env.changes.approve(proposal.id, proposal.digest, "bob"), "ann")
    assert path.read_text() == before + "  freelancer-data-stack:volumeGb: 50\n"


def test_reason_of_a_proposal_names_the_change_and_the_cost(env: EvalEnvironment) -> None:
    fits = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann").reason
    too_much = env.changes.propose("prod", ScalingRequest(reason="x", server_type="cpx42"), "ann").reason
    assert "volumeGb 10 → 50" in fits and "of $50.00 a month" in fits and "\n" not in fits
    assert too_much.startswith("Refused: serverType cpx22 → cpx42.") and "over the budget" in too_much


def test_failed_deployment_is_recorded_and_does_not_change_the_stack_file(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = env.changes.approve(proposal.id, proposal.digest, "bob")
    env.deployment = "fails"
    with pytest.raises(StackError, match="the engine failed"):
        env.changes.apply(proposal.id, token, "ann")
    last = env.changes.history("prod", 1)[0]
    assert (last["event"], last["person"], last["approver"]) == ("failed", "ann", "bob")
    assert stack_file.read(env.folder, "prod") == env.original


def test_request_for_the_present_settings_is_refused(env: EvalEnvironment) -> None:
    present = {"backups": False, "workers": 1}
    for values in ({"backups": False}, present, {"profiles": ["lean"]}):
        with pytest.raises(UsageError, match="has these settings already"):
            env.changes.propose("prod", ScalingRequest(reason="x", **values), "ann")


def test_nothing_is_approved_while_a_job_runs(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    with Ledger(env.folder / ".fds").exclusive(), pytest.raises(LockedError, match="a job runs"):
        env.changes.approve_and_apply(proposal.id, proposal.digest, "bob")
    assert env.changes.settings("prod").volume_gb == 10
    other = env.changes.propose("prod", ScalingRequest(reason="x", backups=True), "ann")
    env.approved += [proposal, other]
    assert env.changes.approve_and_apply(other.id, other.digest, "bob").status == "applied"
    with pytest.raises(RefusedError, match="has changed since"):
        env.changes.approve_and_apply(proposal.id, proposal.digest, "bob")


@pytest.mark.parametrize("days", [None, 7])
def test_same_request_works_after_ctrl_c_during_the_deployment(env: EvalEnvironment, days: int | None) -> None:
    request = ScalingRequest(reason="x", workers=2, days=days)
    proposal = env.changes.propose("prod", request, "ann")

    def stop() -> None:
        raise KeyboardInterrupt

    env.before_deploying = stop
    with pytest.raises(KeyboardInterrupt):
        env.changes.approve_and_apply(proposal.id, proposal.digest, "bob")
    last = env.changes.history("prod", 1)[0]
    assert (last["event"], last["error"]) == ("failed", "KeyboardInterrupt")
    assert env.changes.settings("prod").workers == 1

    env.before_deploying = lambda: None
    again = env.changes.propose("prod", request, "ann")
    env.approved.append(again)
    assert env.changes.approve_and_apply(again.id, again.digest, "bob").status == "applied"
    assert not env.violations()


def test_secrets_that_a_failed_deployment_generated_are_kept_in_the_stack_file(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = env.changes.approve(proposal.id, proposal.digest, "bob")

    def generate_and_fail() -> None:
        stack_file.write(env.folder, "prod", {"secrets": {"ssh_key": {"secure": "v1:new"}}})
        raise StackError("the server does not answer")

    env.before_deploying = generate_and_fail
    with pytest.raises(StackError, match="does not answer"):
        env.changes.apply(proposal.id, token, "ann")
    assert stack_file.read(env.folder, "prod") == env.original
    assert stack_file.config(env.folder, "prod")["freelancer-data-stack:secrets"]["ssh_key"]["secure"] == "v1:new"


@pytest.mark.parametrize(
    ("change", "says"), [({"prices": Decimal("1.2")}, "were approved"), ({"sold_out": "cpx22"}, "another server")]
)
def test_approved_change_is_not_deployed_if_its_plan_changes_before_the_engine_runs(
    env: EvalEnvironment, change: dict[str, Any], says: str
) -> None:
    env.edit({"serverType": "auto", "budgetUsd": 60})
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    token = env.changes.approve(proposal.id, proposal.digest, "bob")

    def change_environment() -> None:
        for name, value in change.items():
            setattr(env, name, value)

    env.before_deploying = change_environment
    with pytest.raises(RefusedError, match=says):
        env.changes.apply(proposal.id, token, "ann")
    assert (env.deployed, stack_file.read(env.folder, "prod")) == ([], env.original)


def test_revert_stays_due_if_its_plan_changes_before_the_engine_runs(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", backups=True, days=1), "ann")
    env.changes.apply(proposal.id, env.changes.approve(proposal.id, proposal.digest, "bob"), "ann")
    env.now += timedelta(days=2)
    env.before_deploying = lambda: setattr(env, "prices", Decimal("1.4"))
    assert [outcome.status for outcome in env.changes.expire()] == ["not taken back"]
    env.before_deploying, env.prices = lambda: None, Decimal(1)
    assert [outcome.status for outcome in env.changes.expire()] == ["taken back"]


def test_database_rejects_update_and_delete_of_history_lines(env: EvalEnvironment) -> None:
    env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    with sqlite3.connect(env.folder / ".fds" / "agents.sqlite") as connection:
        for statement in ("UPDATE history SET person = 'x'", "DELETE FROM history"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_first_history_line_with_a_hash_protects_older_lines_without_hashes(env: EvalEnvironment) -> None:
    """The hash of this line also covers the lines before it, so a change of one of those lines is noticed."""
    file = env.folder / ".fds" / "agents.sqlite"
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    with sqlite3.connect(file) as connection:
        for name in ("history_stays", "history_is_kept", "history_is_not_replaced", "history_has_no_gaps"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("ALTER TABLE history DROP COLUMN hash")
    env.restart()
    token = env.changes.approve(proposal.id, proposal.digest, "bob")
    assert [line["event"] for line in env.changes.history("prod")] == ["approved", "planned: accept"]
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TRIGGER history_stays")
        connection.execute("UPDATE history SET person = 'owner' WHERE number = 1")
    env.restart()
    assert env.changes.history("prod")[0]["event"].startswith("tampered with: line ")
    with pytest.raises(RefusedError, match="not what was recorded"):
        env.changes.apply(proposal.id, token, "ann")


@pytest.mark.parametrize("statement", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "UPSERT"])
def test_history_line_cannot_be_replaced(env: EvalEnvironment, statement: str) -> None:
    env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    before = env.changes.history("prod")
    verb, end = ("INSERT", " ON CONFLICT DO UPDATE SET person = 'x'") if statement == "UPSERT" else (statement, "")
    row = (
        "INTO history (number, at, stack, person, event, proposal, document) VALUES (1, '', 'prod', 'x', '', '', '{}')"
    )
    file = env.folder / ".fds" / "agents.sqlite"
    with contextlib.suppress(sqlite3.IntegrityError), sqlite3.connect(file) as connection:
        connection.execute(f"{verb} {row}{end}")
    assert env.changes.history("prod") == before


def test_database_is_unchanged_after_reading_settings_history_a_plan_or_a_proposal(env: EvalEnvironment) -> None:
    proposal = env.changes.propose("prod", ScalingRequest(reason="x", volume_gb=50), "ann")
    file = env.folder / ".fds" / "agents.sqlite"
    before = file.read_bytes()
    env.now += timedelta(hours=1)
    env.changes.plan("prod"), env.changes.settings("prod"), env.changes.history("prod"), env.changes.find(proposal.id)
    assert file.read_bytes() == before


def test_unknown_stack_or_proposal_is_a_usage_error(env: EvalEnvironment) -> None:
    with pytest.raises(UsageError, match=r"Pulumi\.nowhere\.yaml"):
        env.changes.propose("nowhere", ScalingRequest(reason="x", workers=2), "ann")
    with pytest.raises(UsageError, match="no such proposal"):
        env.changes.find("0" * 16)


def test_planning_takes_under_50_ms_of_cpu_time(env: EvalEnvironment) -> None:
    """Measure the 95th percentile of the CPU time for parsing a request, planning, the verdict and alternatives."""
    words = '{"reason": "x", "server_type": "cpx42", "volume_gb": 100}'
    assert p95(lambda: env.changes.propose("prod", ScalingRequest.model_validate_json(words), "ann"), 40) < 0.05
