"""Save and read the memory last measured for each service, and the growth of disks and memory, which reports show.

`.fds/measured/<stack>.json` is `{"date": "2026-11-24", "services": {"postgres": 53}, "usage": [...]}`. A service has
the memory of all its replicas in MiB. An entry of `usage` is one disk or the memory, with the fields `resource`,
`used_bytes`, `size_bytes` and `bytes_a_day`. The measurement does not affect the verdict. An invalid file is ignored,
and the report says so.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.cost.planning.model import Plan, UsageForecast
from stack_runtime.files import write_atomically
from stack_runtime.pipeline.usage import NAMES

_MOST_BYTES = 65_536
_MOST_MB = 16_777_216
_MOST_SIZE = 2**60
MOST_DAYS = 5 * 365
"""Longest forecast in days; a resource that would be full after more days gets no date."""
_GB = Decimal(10**9)
_FIELDS = ("resource", "used_bytes", "size_bytes", "bytes_a_day")


def path_of(project: Path, stack: str) -> Path:
    """Return the file with the last measurement of `stack`."""
    return project / ".fds" / "measured" / f"{stack}.json"


def save(
    project: Path, stack: str, rows: Sequence[Mapping[str, Any]], usage: Sequence[Mapping[str, Any]], today: date
) -> None:
    """Save what `fds status` measured. If the memory of no service is known, keep the last measurement.

    Args:
        rows: a mapping for each container, with `service` and `memory_mb` (None: unknown; the service is left out).
        usage: a mapping for each disk and one for the memory, with `resource`, `used_bytes`, `size_bytes` and
            `bytes_a_day`.

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
    kept = [{key: measured[key] for key in _FIELDS} for measured in usage]
    document = {"date": today.isoformat(), "services": dict(sorted(held.items())), "usage": kept}
    write_atomically(path, json.dumps(document) + "\n")


def with_measurement(plan: Plan, project: Path, today: date) -> Plan:
    """Return `plan` with the last measurement of its stack, or with a warning about an invalid file."""
    path = path_of(project, plan.stack)
    try:
        day, held, usage = _checked(_text(path), today)
    except FileNotFoundError:
        return plan
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        said = f"the measurement in .fds/measured/{path.name} is ignored: {reason}; fds status makes a new one"
        return plan.model_copy(update={"warnings": (*plan.warnings, said)})
    needs = tuple(need.model_copy(update={"measured_mb": held.get(need.name)}) for need in plan.capacity.services)
    capacity = plan.capacity.model_copy(update={"services": needs, "measured_on": day})
    return plan.model_copy(update={"capacity": capacity, "usage": usage})


def _text(path: Path) -> str:
    """Return the text of a small regular file; refuse other files, because reading a pipe might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a file")
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    return data.decode("utf-8")


def _checked(text: str, today: date) -> tuple[date, dict[str, int], tuple[UsageForecast, ...]]:
    """Return date, memory by service and forecasts. The file is not trusted, so error messages do not quote it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    names = {"date", "services", "usage"}
    if not isinstance(found, dict) or set(found) != names or not isinstance(found["services"], dict):
        raise ValueError("its fields are not date, services and usage")
    try:
        day = date.fromisoformat(found["date"])
    except (TypeError, ValueError):
        raise ValueError("its date is invalid") from None
    if day > today:
        raise ValueError("its date is in the future")
    held: dict[str, int] = found["services"]
    if any(type(memory) is not int or not 0 <= memory <= _MOST_MB for memory in held.values()):
        raise ValueError("its memory is not in whole MiB")
    if not isinstance(found["usage"], list) or len(found["usage"]) > len(NAMES):
        raise ValueError("its usage is not a list of disks and memory")
    return day, held, tuple(_forecast(measured, day) for measured in found["usage"])


def _forecast(measured: Any, day: date) -> UsageForecast:
    """Return the use of a disk or the memory, and when it will be full at the growth that was measured on `day`."""
    if not isinstance(measured, dict) or set(measured) != set(_FIELDS):
        raise ValueError("an entry of usage has missing or unknown fields")
    resource, used, size, growth = (measured[key] for key in _FIELDS)
    if resource not in tuple(NAMES) or any(  # a tuple, because the value may be unhashable
        type(value) is not int or abs(value) > _MOST_SIZE for value in (used, size, growth or 0)
    ):
        raise ValueError("an entry of usage has an unknown resource, or a value that is not in whole bytes")
    days = max(0, size - used) / growth if growth and growth > 0 else None
    full_on = day + timedelta(days) if days is not None and days <= MOST_DAYS else None
    return UsageForecast(resource=resource, used_gb=_in_gb(used), size_gb=_in_gb(size), full_on=full_on)


def _in_gb(value: int) -> Decimal:
    return (value / _GB).quantize(Decimal("0.1"))
