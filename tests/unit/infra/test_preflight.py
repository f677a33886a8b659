"""Test the checks before a server is ordered."""

from __future__ import annotations

import pytest

from infra.operations.preflight import check
from infra.settings import Settings
from stack_runtime.errors import UnreachableError


def test_check_without_an_ssh_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.of("prod", {"host": "hetzner"})
    monkeypatch.setenv("HCLOUD_TOKEN", "t" * 64)
    check(settings)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreachableError, match=r"ssh is missing .*install openssh-client"):
        check(settings)
