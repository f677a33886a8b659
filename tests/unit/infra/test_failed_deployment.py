"""Test that the server is switched on again after a failed deployment, whatever failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from infra.engine.stack_operations import StackOperations
from infra.hosts.hetzner.host import HetznerHost
from infra.operations import deploy
from infra.settings import Settings
from stack_runtime.errors import LockedError, StackError, UnreachableError

SETTINGS = Settings.of("prod", {"host": "hetzner"})


class _Failing:
    """Double of a deployment that fails with an error."""

    settings = SETTINGS
    adopt: dict[str, str] = {}  # noqa: RUF012, as in the class that this one replaces

    def __init__(self, error: Exception) -> None:
        self._error = error

    def up(self) -> dict[str, int]:
        raise self._error


def _switched_on(
    error: Exception, monkeypatch: pytest.MonkeyPatch, fails: Callable[[], object] = lambda: None
) -> list[str]:
    """Deploy with this error; return what happened to the server. `fails` may raise an error of the repair."""
    done: list[str] = []

    def after_failure(*_: Any) -> None:
        done.append("switched on")
        fails()

    monkeypatch.setattr(HetznerHost, "after_failure", after_failure)
    with pytest.raises(type(error)) as caught:
        deploy._deployed(cast(StackOperations, _Failing(error)), done.append)
    assert caught.value is error
    return done


@pytest.mark.parametrize("error", [StackError("sold out"), KeyError("cpx22"), ValueError("no list")], ids=repr)
def test_server_is_switched_on_after_any_error_of_a_deployment(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _switched_on(error, monkeypatch) == ["switched on"]


def test_server_stays_as_it_is_if_another_deployment_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _switched_on(LockedError("another deployment"), monkeypatch) == []


@pytest.mark.parametrize("second", [UnreachableError("no answer"), KeyError("status")], ids=repr)
def test_error_of_the_deployment_is_raised_even_if_the_server_cannot_be_switched_on(
    second: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise second

    assert _switched_on(StackError("sold out"), monkeypatch, fails) == [
        "switched on",
        f"the server may be off: {second}",
    ]
