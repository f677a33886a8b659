"""`fds setup`: find or get what the stack needs on this machine, and ask for values that only a person knows."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fds.output import AcceptHostKey, AsJson, Stack, answer, ask, say
from infra.prerequisites import Installation, Prerequisite, Say


def command(stack: Stack = "dev", accept_host_key: AcceptHostKey = "", as_json: AsJson = False) -> None:
    """Find or get engine, plugins, Docker, environments and images; for a server, also ask for missing values."""
    from infra.engine.environment import write_env_file
    from infra.hosts import host_of
    from infra.prerequisites import prepare, prerequisites_of_stack
    from infra.stack_file import read
    from stack_runtime.paths import project_dir

    began = time.monotonic()
    project = project_dir()
    if accept_host_key:
        settings = read(project, stack)
        host_of(settings).trust(settings, project, None, accept_host_key)
    _refuse_early(project, stack)
    rows: list[dict[str, str]] = []
    progress = _Progress()

    def end(prerequisite: Prerequisite, found: Installation) -> None:
        rows.append({"name": prerequisite.name, **found.as_json()})
        progress.end(prerequisite, found)

    try:
        prepare(prerequisites_of_stack(project, read(project, stack)), progress.begin, end)
    finally:
        progress.close()
    environment = write_env_file(project, stack)
    stored = _ask_missing(project, stack)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        answer({"pieces": rows, "stored": stored, "env": str(environment), "seconds": seconds})
    else:
        say(f"ready in {seconds} s; `. {environment.relative_to(project)}` puts fds and pulumi on PATH")


def _refuse_early(project: Path, stack: str) -> None:
    """Before anything is fetched, refuse a stack on a server if it lacks values and there is no terminal to ask at."""
    from infra.hosts import host_of
    from infra.stack_file import read

    if host_of(read(project, stack)).needs_setup and not sys.stdin.isatty():
        from infra.operations.setup_prompts import refuse_incomplete

        refuse_incomplete(project, stack)


def _ask_missing(project: Path, stack: str) -> list[str]:
    """Ask for the missing values of a stack on a server, store them, and return their names."""
    from infra.hosts import host_of
    from infra.stack_file import read

    if not host_of(read(project, stack)).needs_setup:
        return []
    from infra.engine.environment import environment
    from infra.operations.setup_prompts import complete

    stored = complete(project, stack, ask if sys.stdin.isatty() else None, say)
    say(f"Pulumi.{stack}.yaml: " + (f"stored {', '.join(stored)}" if stored else "nothing is missing"))
    say(f"state: {environment(project, stack)['PULUMI_BACKEND_URL']} (set PULUMI_BACKEND_URL for another one)")
    return stored


class _Progress:
    """Show progress as a spinner at a terminal, else as plain lines; print a line for each ready prerequisite."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("") if sys.stderr.isatty() else None

    def begin(self, prerequisite: Prerequisite) -> Say:
        if self._status is None:
            return lambda line: say(f"  {prerequisite.name}: {line}")
        status = self._status
        status.start()
        return lambda line: status.update(f"{prerequisite.name}: {line}")

    def end(self, prerequisite: Prerequisite, found: Installation) -> None:
        self.close()
        version = f" {found.version}" if found.version else ""
        where = f" ({found.where})" if found.where else ""
        say(f"{prerequisite.name}{version}: {found.source}{where}")

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
