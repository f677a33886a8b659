"""Save and read the memory last measured for each service; reports show it next to the reservations.

`.fds/measured/<stack>.json` is `{"date": "2026-11-24", "services": {"postgres": 53}}`, in MiB, all replicas together.
It does not affect the verdict. An invalid file is ignored, and the report says so.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from infra.cost.planning.model import Plan
from stack_runtime.files import write_atomically

_MOST_BYTES = 65_536
_MOST_MB = 16_777_216


def path_of(project: Path, stack: str) -> Path:
    """Return the file with the last measurement of `stack`."""
    return project / ".fds" / "measured" / f"{stack}.json"


def leave(project: Path, stack: str, rows: Sequence[Mapping[str, Any]], today: date) -> None:
    """Save the memory that `fds status` measured; without running containers, keep the last measurement.

    Args:
        rows: one for each container, with `service` and `memory_mb` (None: unknown, so the service is left out).

    Raises:
        OSError: the file cannot be written.
    """
    unknown = {row["service"] for row in rows if row["memory_mb"] is None}
    held: dict[str, int] = {}
    for row in rows:
        if row["service"] not in unknown:
            held[row["service"]] = held.get(row["service"], 0) + math.ceil(row["memory_mb"])
    if not held:
        return
    path = path_of(project, stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"date": today.isoformat(), "services": dict(sorted(held.items()))}) + "\n")


def beside(plan: Plan, project: Path, today: date) -> Plan:
    """Return `plan` with the last measurement of its stack, or with a warning about an invalid file."""
    path = path_of(project, plan.stack)
    try:
        day, held = _checked(_text(path), today)
    except FileNotFoundError:
        return plan
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        said = f"the sample in .fds/measured/{path.name} is left out: {reason}; fds status makes a new one"
        return plan.model_copy(update={"warnings": (*plan.warnings, said)})
    needs = tuple(need.model_copy(update={"measured_mb": held.get(need.name)}) for need in plan.capacity.services)
    capacity = plan.capacity.model_copy(update={"services": needs, "measured_on": day})
    return plan.model_copy(update={"capacity": capacity})


def _text(path: Path) -> str:
    """Return the text of a small regular file; reading a pipe would never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a file")
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    return data.decode("utf-8")


def _checked(text: str, today: date) -> tuple[date, dict[str, int]]:
    """Parse date and memory by service. The file is not trusted, so error messages do not quote it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict) or set(found) != {"date", "services"} or not isinstance(found["services"], dict):
        raise ValueError("it has other fields than date and services")
    try:
        day = date.fromisoformat(found["date"])
    except (TypeError, ValueError):
        raise ValueError("its date is invalid") from None
    if day > today:
        raise ValueError("its date is in the future")
    held: dict[str, int] = found["services"]
    if any(type(memory) is not int or not 0 <= memory <= _MOST_MB for memory in held.values()):
        raise ValueError("its memory is not in whole MiB")
    return day, held
