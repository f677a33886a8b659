"""Processes that outlive setup."""

from __future__ import annotations

import subprocess
from pathlib import Path


def spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that it outlives setup; its pid lies beside `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    log.with_suffix(".pid").write_text(str(process.pid))
    return process


def alive(log: Path, program: str) -> bool:
    """True when the process that `spawn` started with this log still runs as `program`."""
    try:
        pid = int(log.with_suffix(".pid").read_text())
        # the kernel keeps fifteen characters of a program's name
        return Path(f"/proc/{pid}/comm").read_text().strip() == Path(program).name[:15]
    except (OSError, ValueError):
        return False
