"""Before a server is ordered: what it will be reached with is there."""

from __future__ import annotations

import pytest

from infra.operations.preflight import check
from infra.settings import Settings
from stack_runtime.errors import UnreachableError


def test_a_server_is_not_ordered_where_nothing_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.of("prod", {"host": "hetzner"})
    monkeypatch.setenv("HCLOUD_TOKEN", "t" * 64)
    check(settings)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreachableError, match=r"ssh is missing .*install openssh-client"):
        check(settings)
