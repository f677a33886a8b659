"""Find or get what the stack needs on this machine before it can be deployed."""

from __future__ import annotations

import contextlib
import fcntl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from infra.prerequisites.prerequisite import Installation, Prerequisite
from stack_runtime.paths import cache_dir
from stack_runtime.text import Say

if TYPE_CHECKING:
    from infra.settings import Settings

__all__ = ["Installation", "Prerequisite", "Say", "prepare", "prerequisites_of_stack"]


def prerequisites_of_stack(project: Path, settings: Settings) -> list[Prerequisite]:
    """Return everything that setup prepares for a stack with these settings, in order."""
    from infra.build_context import pulled_images
    from infra.prerequisites import offline
    from infra.prerequisites.docker import Docker
    from infra.prerequisites.engine import Engine
    from infra.prerequisites.images import Image
    from infra.prerequisites.meltano import Meltano
    from infra.prerequisites.plugins import Plugins
    from infra.services import selected

    references, replacement = pulled_images(selected(settings)), offline.find()
    return [
        Engine(),
        Plugins(project),
        Docker(),
        *(Image(reference) for reference in references),
        *(replacement.prerequisites(references) if replacement else []),
        Meltano(),
    ]


def prepare(
    wanted: list[Prerequisite], begin: Callable[[Prerequisite], Say], end: Callable[[Prerequisite, Installation], None]
) -> None:
    """Find or get each prerequisite in turn. The function can be stopped at any point and called again.

    Args:
        wanted: what to find or get, in order.
        begin: called before a prerequisite is fetched; returns a function for the lines of progress.
        end: called with each prerequisite and its installation.

    Raises:
        UnreachableError: a prerequisite is unavailable; earlier prerequisites stay installed.
    """
    with _alone():
        for prerequisite in wanted:
            end(prerequisite, prerequisite.find() or prerequisite.get(begin(prerequisite)))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Lock the cache, so that one setup runs at a time; a second setup waits, and then finds everything installed."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "setup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another setup is running; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
