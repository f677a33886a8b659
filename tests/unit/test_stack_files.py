"""Test the committed stack files; a stack file gets secrets only in the first deployment."""

from __future__ import annotations

import subprocess

import pytest

from tests.kit.project import ROOT


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_committed_stack_file_has_no_secrets(stack: str) -> None:
    """Secrets could not be decrypted in a new clone, which has another passphrase."""
    command = ["git", "-C", str(ROOT), "show", f"HEAD:Pulumi.{stack}.yaml"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert "config:" in text
    assert "secure:" not in text and "encryptionsalt" not in text
