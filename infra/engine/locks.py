"""Remove what a killed deployment leaves in a file backend: its lock, and half-written `.attrs` files (file metadata).

The engine's own command, `pulumi cancel`, removes every lock, even the lock of a running deployment. Here, only
locks of dead processes are removed: each lock file names the process that holds the lock.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.engine.environment import backend_folder
from stack_runtime.paths import PROJECT


def holder(backend: str, stack: str) -> str | None:
    """Return who deploys `stack` and since when; None if nobody does or the backend is not a folder."""
    for _, lock in _locks(backend, stack):
        since = str(lock.get("timestamp", "")).split(".")[0].replace("T", " ")
        return f"{lock.get('username')} on {lock.get('hostname')}, process {lock.get('pid')}, since {since}"
    return None


def release_dead(backend: str, stack: str) -> list[str]:
    """Remove locks of deployments that were killed on this machine; locks of other machines stay.

    Returns: the processes that held the removed locks.
    """
    released = []
    for path, lock in _locks(backend, stack):
        if lock.get("hostname") == socket.gethostname() and not _runs(lock):
            path.unlink(missing_ok=True)
            released.append(f"process {lock.get('pid')}")
    return released


def drop_torn(backend: str, stack: str) -> None:
    """Remove `.attrs` files that a kill left half written, because the engine cannot read a state with such files.

    The state file itself is always complete, because one rename replaces it, and the engine can read it without
    `.attrs` files. Nothing is changed while another deployment runs.
    """
    root = backend_folder(backend)
    if root is None or holder(backend, stack):
        return
    side_files = (f"stacks/{PROJECT}/{stack}.{name}.attrs" for name in ("json*", "pulumi-tags"))
    for path in [root / "meta.yaml.attrs", *(path for pattern in side_files for path in root.glob(pattern))]:
        try:
            json.loads(path.read_text())
        except FileNotFoundError:
            continue
        except ValueError:
            path.unlink(missing_ok=True)


def _locks(backend: str, stack: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    root = backend_folder(backend)
    if root is None:
        return
    for path in sorted(root.glob(f"locks/**/{PROJECT}/{stack}/*.json")):
        try:
            lock = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(lock, dict):
            yield path, lock


def _runs(lock: dict[str, Any]) -> bool:
    """Return whether the process that took the lock still runs, and not just a later process with the same pid."""
    pid = lock.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid) and _started(pid) <= _taken(lock)


def _is_zombie(pid: int) -> bool:
    """Return whether the process is dead, but its parent has not collected its exit status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _started(pid: int) -> float:
    """Return when a process began, in seconds since the epoch; 0 if that is unknown."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return 0.0


def _taken(lock: dict[str, Any]) -> float:
    """Return when the lock was taken, plus 2 s, because `_started` is not exact; infinity if it is unknown."""
    try:
        return datetime.fromisoformat(str(lock.get("timestamp"))[:26].rstrip("Z") + "+00:00").timestamp() + 2
    except ValueError:
        return float("inf")
