"""Run a command, and measure its time and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack_runtime.errors import StackError

_INTERVAL = 0.05
"""Seconds between two measurements of the memory."""


@dataclass
class Watched:
    """The time of a command in seconds, and its peak memory in MiB, by kind of process and in total."""

    seconds: float = 0.0
    peaks: dict[str, float] = field(default_factory=dict)
    together: float = 0.0

    @property
    def largest(self) -> float:
        return max(self.peaks.values(), default=0.0)


def watch(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Watched:
    """Run `command` in `folder`, and measure its time and memory.

    The command gets the environment variables of this process and those in `environment`.

    Raises:
        StackError: the command failed.
    """
    watched = Watched()
    with tempfile.TemporaryFile() as log:
        begin = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        ended = threading.Event()
        watcher = threading.Thread(target=_look, args=(process.pid, watched, ended))
        watcher.start()
        code = process.wait()
        watched.seconds = time.monotonic() - begin
        ended.set()
        watcher.join()
        if code:
            log.seek(0)
            raise StackError(
                f"exit code {code}: {log.read().decode(errors='replace')[-2000:]}", where=" ".join(command)
            )
    return watched


def _look(root: int, watched: Watched, ended: threading.Event) -> None:
    while not ended.wait(_INTERVAL):
        resident = 0.0
        for pid in _descendants(root):
            try:
                status = dict(
                    line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
                )
                name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                peak, now = (int(status[key].split()[0]) / 1024 for key in ("VmHWM", "VmRSS"))
            except (OSError, KeyError, ValueError):
                continue  # the process has just ended
            label = next((Path(part.decode()).name for part in name[1:2] if part), status["Name"].strip())
            watched.peaks[label] = max(watched.peaks.get(label, 0.0), peak)
            resident += now
        watched.together = max(watched.together, resident)


def _descendants(root: int) -> list[int]:
    found, open_ = [], [root]
    while open_:
        pid = open_.pop()
        found.append(pid)
        with contextlib.suppress(OSError):  # the process has just ended
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                open_ += map(int, task.read_text().split())
    return found
