"""Test the check for an SSH client, which runs before a server is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.hosts import host_of
from infra.settings import Settings
from stack_runtime.errors import UnreachableError


def test_preflight_fails_without_an_ssh_client(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.of("prod", {"host": "hetzner"})
    monkeypatch.setenv("HCLOUD_TOKEN", "t" * 64)
    host_of(settings).preflight(settings, Path.cwd())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreachableError, match=r"ssh is missing .*install openssh-client"):
        host_of(settings).preflight(settings, Path.cwd())
