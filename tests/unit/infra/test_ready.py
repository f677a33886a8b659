"""A first boot that failed is made up for, or told with its log; the server is played by what its commands answer."""

from __future__ import annotations

import pytest

from stack_runtime.errors import UnreachableError
from stack_runtime.remote.ready import _booted

Answers = dict[str, tuple[int, str]]


class PlayedConnection:
    """Answers each command by the first word that it holds, and refuses what it does not know."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        return next(answer for word, answer in self.answers.items() if word in command)


def _answers(status: str, boot: int) -> Answers:
    return {"boot-finished": (0, f"status: {status}"), "boot-log": (0, "no such device"), " boot": (boot, "")}


def test_a_boot_that_waited_in_vain_for_its_volume_is_made_up_for() -> None:
    assert _booted(PlayedConnection(_answers("error", 0)))  # type: ignore[arg-type]


def test_a_boot_that_fails_again_is_told_with_its_log() -> None:
    with pytest.raises(UnreachableError, match="no such device"):
        _booted(PlayedConnection(_answers("error", 1)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "done"), [("running", False), ("done", True)])
def test_a_boot_is_over_when_cloud_init_says_so(status: str, done: bool) -> None:
    assert _booted(PlayedConnection(_answers(status, 1))) is done  # type: ignore[arg-type]
