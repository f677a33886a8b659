"""Define the interface of a prerequisite, which `fds setup` finds or installs, and functions for prerequisites."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from stack_runtime.errors import UnreachableError
from stack_runtime.text import Say, last_line


@dataclass(frozen=True)
class Installation:
    """An installed prerequisite: version, origin (`on PATH`, `pulled`, `stand-in`…), and location."""

    version: str
    source: str
    where: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the fields as a JSON object, for programs."""
        return asdict(self)


class Prerequisite(Protocol):
    """Something the stack needs on this machine."""

    @property
    def name(self) -> str:
        """Name of the prerequisite in the output of `fds setup`."""

    def find(self) -> Installation | None:
        """Find the prerequisite quickly, without changing anything; return None if it is missing."""

    def get(self, say: Say) -> Installation:
        """Fetch or create the prerequisite. Remains of a killed attempt are completed or replaced.

        Raises:
            UnreachableError: the prerequisite is unavailable; the error names the next command.
        """


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    next_command: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Say | None = None,
) -> str:
    """Run a program and return its output (both streams together); each line is passed to `on_line` as it arrives.

    Raises:
        UnreachableError: the program is missing or fails; `what` is the part of the error that says what failed.
    """
    lines: list[str] = []
    try:
        with subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if on_line:
                    on_line(line.strip())
    except OSError as error:
        raise UnreachableError(f"{what}: {error.strerror}", where=str(command[0]), next_command=next_command) from None
    if process.returncode:
        last = last_line("".join(lines), f"exit code {process.returncode}")
        raise UnreachableError(f"{what}: {last}", where=str(command[0]), next_command=next_command)
    return "".join(lines)


def digest(*parts: bytes | str) -> str:
    """Return a digest of all parts, as 16 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]
