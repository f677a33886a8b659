"""A user's systemd timer that calls `fds expire`, so that temporary changes end without anybody thinking of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from stack_runtime.errors import UnreachableError

EVERY = "*:0/15"
"""When systemd calls: every quarter of an hour."""


def install(project: Path) -> list[str]:
    """Write the units of `project` and start its timer; a second call changes nothing.

    Returns: what was done, for a person.
    Raises:
        UnreachableError: systemd does not run the units of users here. They are written all the same.
    """
    name = f"fds-expire-{hashlib.sha256(str(project).encode()).hexdigest()[:8]}"
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in units(project).items():
        (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")
    for words in (["daemon-reload"], ["enable", "--now", f"{name}.timer"]):
        _systemctl(words, folder)
    return [
        f"{name}.timer calls fds expire every quarter of an hour; systemctl --user list-timers shows it",
        "loginctl enable-linger lets it run while nobody is logged in",
        "a token of the provider that the stack file does not hold goes into .env",
    ]


def units(project: Path) -> dict[str, str]:
    """The text of the `service` and the `timer`; a token that the stack file does not hold comes from `.env`."""
    python = _quoted(Path(sys.executable))
    return {
        "service": (
            f"[Unit]\nDescription=Temporary changes of {_escaped(project)} go back\n\n"
            f"[Service]\nType=oneshot\nWorkingDirectory={_escaped(project)}\n"
            f"EnvironmentFile=-{_escaped(project / '.env')}\nExecStart={python} -m fds.main expire\n"
        ),
        "timer": (
            f"[Unit]\nDescription=Temporary changes of {_escaped(project)} go back\n\n"
            f"[Timer]\nOnCalendar={EVERY}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }


def _systemctl(words: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(["systemctl", "--user", *words], capture_output=True, text=True, timeout=30, check=False)
        reason = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = [str(error)]
    if reason is not None:
        raise UnreachableError(
            f"systemd runs no units of users here: {' '.join(reason)[:200]}",
            where=str(folder),
            next_command="call fds expire every quarter of an hour from cron",
        )


def _escaped(path: Path) -> str:
    """A path in which nothing means anything to systemd."""
    return str(path).replace("\\", "\\\\").replace("%", "%%")


def _quoted(path: Path) -> str:
    """The same as one word of a command, in which `$` means something too."""
    return '"' + _escaped(path).replace('"', '\\"').replace("$", "$$") + '"'
