"""Find temporary changes that have ended, and install a systemd timer that reverts them.

Every `fds` command looks for ended changes when it starts, so this module imports no large library.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from stack_runtime.errors import UnreachableError

DUE = "state IN ('applied', 'applying', 'interrupted') AND until <= ?"
"""SQL condition for temporary changes that have ended but are not reverted, in the ledger's table `proposals`.

`?` is the current time in ISO 8601 in UTC, as in the column `until`.
"""
INTERVAL = "*:0/15"
"""When the systemd timer runs: every 15 minutes."""


def overdue(folder: Path, now: datetime) -> list[tuple[str, str, str]]:
    """Return `(proposal, stack, end)` of each temporary change that has ended but has not been reverted.

    Args:
        folder: the project's folder `.fds`.
    """
    file = folder / "agents.sqlite"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            found = connection.execute(
                f"SELECT id, stack, until FROM proposals WHERE {DUE} ORDER BY until",
                (now.isoformat(timespec="microseconds"),),
            )
            return found.fetchall()
    except sqlite3.Error:
        return []  # no error here: the commands that need the ledger report that it cannot be read


def install_timer(project: Path) -> list[str]:
    """Write the systemd user units that revert ended changes of `project`, and start the timer.

    A second call changes nothing.

    Returns: lines for the user about what was done and what to do next.
    Raises:
        UnreachableError: systemd does not run user units here. The units are written anyway.
    """
    name = f"fds-expire-{hashlib.sha256(str(project).encode()).hexdigest()[:8]}"
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in timer_units(project).items():
        (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")
    for words in (["daemon-reload"], ["enable", "--now", f"{name}.timer"]):
        _systemctl(words, folder)
    return [
        f"{name}.timer calls fds expire every 15 minutes; systemctl --user list-timers shows it",
        "loginctl enable-linger lets it run while nobody is logged in",
        "if the stack file has no provider token, put it into .env",
    ]


def timer_units(project: Path) -> dict[str, str]:
    """Return the text of each unit by its kind, `service` or `timer`; the service gets the variables of `.env`."""
    python = _quoted(Path(sys.executable))
    description = f"Revert ended temporary changes of {_escaped(project)}"
    return {
        "service": (
            f"[Unit]\nDescription={description}\n\n"
            f"[Service]\nType=oneshot\nWorkingDirectory={_escaped(project)}\n"
            f"EnvironmentFile=-{_escaped(project / '.env')}\nExecStart={python} -P -m fds.main expire\n"
        ),
        "timer": (
            f"[Unit]\nDescription={description}\n\n"
            f"[Timer]\nOnCalendar={INTERVAL}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
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
            f"systemd does not run user units here: {' '.join(reason)[:200]}",
            where=str(folder),
            next_command="call fds expire every 15 minutes from cron",
        )


def _escaped(path: Path) -> str:
    """Escape the characters of a path that systemd would interpret."""
    return str(path).replace("\\", "\\\\").replace("%", "%%")


def _quoted(path: Path) -> str:
    """Quote a path as one word of a unit's command line, in which systemd also interprets `$`."""
    return '"' + _escaped(path).replace('"', '\\"').replace("$", "$$") + '"'
