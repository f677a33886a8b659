"""Test that the budget is checked again after a deployment, because another deployment may have used it up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from infra.engine.identity import Owner
from infra.engine.stack_operations import StackOperations
from infra.operations import deploy
from infra.settings import Settings
from stack_runtime.errors import RefusedError, StackError, UnknownError


class _Deployed:
    """Double of a deployment that has just succeeded."""

    project = Path()
    owner = Owner("one", dict)

    def __init__(self, host: str) -> None:
        self.settings = Settings.of("prod", {"host": host})


def _check(monkeypatch: pytest.MonkeyPatch, host: str, error: StackError | None) -> list[Any]:
    asked: list[Any] = []

    def plan(*arguments: Any) -> None:
        asked.append(arguments[0].stack)
        if error:
            raise error

    monkeypatch.setattr(deploy, "plan_for_deployment", plan)
    deploy._refuse_excess(cast(StackOperations, _Deployed(host)))
    return asked


def test_deployment_fails_if_a_simultaneous_deployment_used_up_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match=r"(?s)^deployed, but over the budget.*over: \$54.*; next: fds down"):
        _check(monkeypatch, "hetzner", RefusedError("over: $54.52 a month"))


@pytest.mark.parametrize("error", [None, UnknownError("no rate")], ids=["within", "unknown"])
def test_deployment_succeeds_if_the_cost_is_still_within_the_budget_or_has_become_unknown(
    monkeypatch: pytest.MonkeyPatch, error: StackError | None
) -> None:
    assert _check(monkeypatch, "hetzner", error) == ["prod"]


def test_cost_is_not_checked_again_after_the_deployment_of_a_stack_that_rents_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _check(monkeypatch, "local", None) == []
