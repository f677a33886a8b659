"""`fds setup`: find or get what the stack needs on this machine."""

from __future__ import annotations

import sys
import time

from fds.output import AsJson, Debug, Stack, answer, say
from infra.prerequisites import Found, Piece, Say


def command(stack: Stack = "dev", as_json: AsJson = False, debug: Debug = False) -> None:
    """Find or get engine, plugins, Docker, images and environments, and say where each came from."""
    from infra.engine import write_env_file
    from infra.prerequisites import pieces, prepare
    from stack_runtime.paths import project_dir

    began = time.monotonic()
    project = project_dir()
    rows: list[dict[str, str]] = []
    progress = _Progress()

    def end(piece: Piece, found: Found) -> None:
        rows.append({"name": piece.name, **found.as_json()})
        progress.end(piece, found)

    try:
        prepare(pieces(project), progress.begin, end)
    finally:
        progress.close()
    environment = write_env_file(project, stack)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        answer({"pieces": rows, "env": str(environment), "seconds": seconds})
    else:
        say(f"ready in {seconds} s; `. {environment.relative_to(project)}` lets the plain pulumi command run too")


class _Progress:
    """A spinner where a person watches, plain lines elsewhere; one line for each finished piece."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("") if sys.stderr.isatty() else None

    def begin(self, piece: Piece) -> Say:
        if self._status is None:
            return lambda line: say(f"  {piece.name}: {line}")
        status = self._status
        status.start()
        return lambda line: status.update(f"{piece.name}: {line}")

    def end(self, piece: Piece, found: Found) -> None:
        self.close()
        version = f" {found.version}" if found.version else ""
        where = f" ({found.where})" if found.where else ""
        say(f"{piece.name}{version}: {found.source}{where}")

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
