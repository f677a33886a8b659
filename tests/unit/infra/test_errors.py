"""Test that the command which an error advises to run next names the stack."""

from __future__ import annotations

import pytest

from stack_runtime.errors import StackError


@pytest.mark.parametrize(
    ("advice", "named"),
    [
        ("fds up", "fds up --stack prod"),
        ("fds scale volumeGb=12", "fds scale --stack prod volumeGb=12"),
        ("fds down, then fds up, or repair it with fds exec",
         "fds down --stack prod, then fds up --stack prod, or repair it with fds exec --stack prod"),
        ("fds scale volumeGb=12 --stack lab", "fds scale volumeGb=12 --stack lab"),
        ("fds logs pipeline --stack prod, then fds up", "fds logs pipeline --stack prod, then fds up --stack prod"),
        ("fds expire", "fds expire"),
        ("docker pull fds/runner", "docker pull fds/runner"),
        ("", ""),
    ],
)  # fmt: skip
def test_every_advised_fds_command_except_expire_names_the_stack_once(advice: str, named: str) -> None:
    error = StackError("it failed", next_command=advice)
    error.name_stack("prod")
    assert error.next_command == named


def test_next_command_does_not_name_the_default_stack() -> None:
    error = StackError("it failed", next_command="fds up")
    error.name_stack("dev")
    assert error.next_command == "fds up"
