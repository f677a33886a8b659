"""Command lines of ours, each in a process of its own, forked from one that knows dbt.

To import dbt and to parse for the first time takes a new process six seconds of the processor, more than all else that
a run of a small file does.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.kit.knows_dbt"])


class Command:
    """`python -m MODULE ARGUMENTS…`, begun.

    Args:
        words: the module and its arguments.
        environment: the whole environment of the process.
    """

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        self._process = _forks.Process(target=_become, args=(words, dict(environment), self._files))
        self._process.start()

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it said on stdout and on stderr, when it has ended.

        Raises:
            TimeoutError: it has not; it is killed then.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"not over after {timeout} s")
        out, said = (file.read_text() for file in self._files)
        return out, said

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it."""
        return self._process.exitcode


def _become(words: tuple[str, ...], environment: dict[str, str], files: list[Path]) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
