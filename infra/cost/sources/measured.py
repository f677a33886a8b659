"""Memory that the services were last seen to hold: `fds status` leaves it, the reports set it beside what is reserved.

`.fds/measured/<stack>.json` is `{"date": "2026-11-24", "services": {"postgres": 53}}`, in MiB, all replicas together.
It decides nothing; a file that is not that is left out, and the report says so.
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

_MOST_BYTES = 65_536
_MOST_MB = 16_777_216


def path_of(project: Path, stack: str) -> Path:
    """Where the last sample of `stack` lies."""
    return project / ".fds" / "measured" / f"{stack}.json"


def leave(project: Path, stack: str, rows: Sequence[Mapping[str, Any]], today: date) -> None:
    """Keep what `fds status` saw, all or nothing; a stack of which nothing runs keeps its last sample.

    Args:
        rows: one a container, with `service` and `memory_mb` (None: not known, and then not of that service either).

    Raises:
        OSError: it cannot be written.
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
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps({"date": today.isoformat(), "services": dict(sorted(held.items()))}) + "\n")
    os.replace(draft, path)


def beside(plan: Plan, project: Path, today: date) -> Plan:
    """`plan` with the last sample of its stack beside the reservations, or with a warning about a broken one."""
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
    """The file's text, if it is a file, and a small one: a pipe would never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a file")
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    return data.decode("utf-8")


def _checked(text: str, today: date) -> tuple[date, dict[str, int]]:
    """Day and memory by service. Whoever reads this trusts nothing of it: the messages quote none of it either."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict) or set(found) != {"date", "services"} or not isinstance(found["services"], dict):
        raise ValueError("it is not a day and services")
    try:
        day = date.fromisoformat(found["date"])
    except (TypeError, ValueError):
        raise ValueError("its date is none") from None
    if day > today:
        raise ValueError("its date is yet to come")
    held: dict[str, int] = found["services"]
    if any(type(memory) is not int or not 0 <= memory <= _MOST_MB for memory in held.values()):
        raise ValueError("its memory is not in whole MiB")
    return day, held
