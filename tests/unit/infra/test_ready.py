"""A first boot that failed is made up for, or told with its log; the server is played by what its commands answer."""

from __future__ import annotations

import pytest

from stack_runtime.errors import UnreachableError
from stack_runtime.remote.ready import _booted

Answers = dict[str, tuple[int, str]]
DONE = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": []}}')
FAILED = (0, '{"v1": {"datasource": "DataSourceHetzner", "errors": ["scripts-user failed"]}}')
RUNNING = (1, "cat: /run/cloud-init/result.json: No such file or directory")


class PlayedConnection:
    """Answers each command by the first word that it holds, and refuses what it does not know."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def run(self, command: str, *, stdin: str = "", timeout: float = 60.0) -> tuple[int, str]:
        return next(answer for word, answer in self.answers.items() if word in command)


def _answers(result: tuple[int, str], boot: int) -> Answers:
    return {"result.json": result, "boot-log": (0, "no such device"), " boot": (boot, "")}


def test_a_boot_that_waited_in_vain_for_its_volume_is_made_up_for() -> None:
    assert _booted(PlayedConnection(_answers(FAILED, 0)))  # type: ignore[arg-type]


def test_a_boot_that_fails_again_is_told_with_its_log() -> None:
    with pytest.raises(UnreachableError, match="no such device"):
        _booted(PlayedConnection(_answers(FAILED, 1)))  # type: ignore[arg-type]


def test_a_boot_is_over_when_cloud_init_left_its_result() -> None:
    assert _booted(PlayedConnection(_answers(DONE, 1)))  # type: ignore[arg-type]
    assert not _booted(PlayedConnection(_answers(RUNNING, 1)))  # type: ignore[arg-type]
