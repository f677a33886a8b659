"""Test how the identity of a stack is created, printed and read, and which owner's resources may be taken over."""

from __future__ import annotations

import getpass
import json
import re
import socket
from pathlib import Path

import pytest

from infra.engine import identity, locks
from infra.engine.state_edits import COMPONENT, recorded_identity
from infra.ownership import ForeignError, Part, not_taken, shown
from stack_runtime.paths import PROJECT

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""Form of an identity. Labels in the Hetzner API may also have capital letters, full stops and underscores."""


@pytest.mark.parametrize("user", ["alice", "", "ä" * 80, "x" * 200, "-.-", "DOMAIN\\bob smith"])
@pytest.mark.parametrize("host", ["laptop", "", "a.very-long.name." * 9, "---"])
def test_identity_is_a_valid_label_and_unique(monkeypatch: pytest.MonkeyPatch, user: str, host: str) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    first, second = identity.new(), identity.new()
    assert first != second and LABEL.fullmatch(first) and LABEL.fullmatch(second), (first, second)


def test_identity_does_not_need_an_entry_in_the_user_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert LABEL.fullmatch(identity.new())


@pytest.mark.parametrize("owner", ["\x1b[2Jdev", "a\nb", "prod --volumes", "x" * 500, "dév"])
def test_owner_label_with_any_characters_is_printed_as_one_short_word(owner: str) -> None:
    word = shown(owner)
    assert word.isascii() and word.isprintable() and " " not in word and len(word) <= 63
    error = ForeignError("prod", [Part("server", "box", owner)], "the account")
    assert error.confirmation == word and "\n" not in str(error) and "\x1b" not in str(error)


def test_only_resources_of_the_named_owner_or_unmarked_ones_of_the_named_stack_are_taken_over() -> None:
    theirs, unmarked = Part("server", "a", "alice-1"), Part("volume", "b", "")
    parts = [theirs, unmarked]
    assert not_taken(parts, "prod", "") == parts == not_taken(parts, "prod", "bob-2")
    assert not_taken(parts, "prod", "alice-1") == [unmarked]
    assert not_taken(parts, "prod", "prod") == [theirs]


def test_error_about_resources_of_another_owner_names_three_and_counts_the_rest() -> None:
    error = ForeignError("prod", [Part("server", f"s{number}", "alice-1") for number in range(7)], "the account")
    assert error.what == "another stack prod, made by alice-1, has server s0, server s1, server s2 and 4 more"
    assert error.exit_code == 3


def test_identity_is_read_from_the_component_in_the_pulumi_state() -> None:
    found = {"type": COMPONENT, "outputs": {"identity": "alice-1", "urls": {}}}
    assert recorded_identity({"resources": [{"type": "pulumi:pulumi:Stack"}, found]}) == "alice-1"
    assert recorded_identity({"resources": [{"type": COMPONENT, "outputs": {"urls": {}}}]}) == ""
    assert recorded_identity({}) == ""


def test_half_written_attrs_file_of_the_stack_tags_is_removed(tmp_path: Path) -> None:
    """With a half-written `.attrs` file, Pulumi cannot read the stack's tags, so the stack would get a new identity."""
    folder = tmp_path / ".pulumi" / "stacks" / PROJECT
    folder.mkdir(parents=True)
    whole, torn = folder / "prod.pulumi-tags", folder / "prod.pulumi-tags.attrs"
    whole.write_text(json.dumps({"version": 1, "tags": {}}))
    torn.write_text('{"user.cache')
    locks.drop_torn(f"file://{tmp_path}", "prod")
    assert whole.exists() and not torn.exists()
