"""Start, find and stop processes that outlive setup."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `command` in its own session, so that it outlives setup; its pid is stored next to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    log.with_suffix(".pid").write_text(str(process.pid))
    return process


def alive(log: Path, program: str) -> bool:
    """Return whether the process that `spawn` started with this log still runs `program`."""
    return _pid(log, program) is not None


def stop(log: Path, program: str) -> None:
    """Stop the process that `spawn` started with this log, if it still runs."""
    pid = _pid(log, program)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _pid(log: Path, program: str) -> int | None:
    try:
        pid = int(log.with_suffix(".pid").read_text())
        # Compare only fifteen characters, because the kernel truncates a program's name to this length.
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == Path(program).name[:15] else None
    except (OSError, ValueError):
        return None
