"""Read the counts of a load from the reports of taps and targets, and check that they add up for each stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.model import Quarantined, Refused, Rows, Stream
from stack_runtime.pipeline.sources import Source
from stack_runtime.pipeline.workspace import Workspace

KEPT_CHARACTERS = 2000
"""Maximum length of `reason` and of `raw` of a quarantined row in the record of a run."""


@dataclass(frozen=True)
class Loaded:
    """Result of a load: counts by stream, number of files, and the refused files."""

    streams: tuple[Stream, ...]
    refused: tuple[Refused, ...]
    files: int

    @property
    def rows(self) -> Rows:
        return sum((stream.rows for stream in self.streams), Rows())


def tap_report(work: Workspace, source: str) -> Path:
    return work.reports / f"tap-of-{source}.json"


def target_report(work: Workspace, source: str) -> Path:
    return work.reports / f"target-of-{source}.json"


def count_loaded(work: Workspace, sources: tuple[Source, ...]) -> Loaded:
    """Return the counts from the reports of all `sources`.

    Raises:
        CheckFailedError: a report is missing, two sources wrote the same table, or counts do not add up.
    """
    streams: list[Stream] = []
    refused: list[Refused] = []
    files = []
    for source in sources:
        target = _report(target_report(work, source.name), "streams")
        tap = _report(tap_report(work, source.name), "entities") if source.entities is not None else None
        streams += _streams(source.name, tap, target)
        for name, entity in (tap or {}).items():
            files += entity["files"]
            refused += [
                Refused(name, str(file["path"]), str(file["refused"])) for file in entity["files"] if file["refused"]
            ]
    tables = [stream.table.lower() for stream in streams]
    if twice := next((stream for stream in streams if tables.count(stream.table.lower()) > 1), None):
        writers = " and ".join(stream.source for stream in streams if stream.table.lower() == twice.table.lower())
        raise CheckFailedError(
            f"{writers} both load into {twice.table}",
            where="extract_load",
            next_command="give one of them another load_schema in meltano.yml",
        )
    return Loaded(tuple(streams), tuple(refused), len(files))


def _streams(source: str, tap: Mapping[str, Any] | None, target: Mapping[str, Any]) -> Iterator[Stream]:
    """Yield the streams of one source, with counts from the reports of the tap and the target.

    The report of the target counts the records that the target received. The report of the tap, if there is one, also
    counts the rows that the tap did not send, such as quarantined rows.
    """
    for name, received in target.items():
        loaded, replaced = received["loaded"], received["replaced"]
        read = Rows(received["received"], loaded, 0, replaced)
        if tap is not None:
            entity = tap.get(name) or {"read": 0, "emitted": 0, "quarantined": 0}
            if entity["emitted"] != received["received"]:
                raise _mismatch(name, f"{entity['emitted']} were sent and {received['received']} were received")
            held_back = entity["read"] - entity["emitted"] - entity["quarantined"]
            if held_back not in (0, entity.get("replaced", 0)):
                raise _mismatch(name, f"{entity['read']} were read, {entity['emitted']} were sent")
            read = Rows(entity["read"], loaded, entity["quarantined"], replaced + held_back)
        if not read.add_up:
            raise _mismatch(
                name, f"read {read.read}, loaded {loaded}, quarantined {read.quarantined}, replaced {read.replaced}"
            )
        yield Stream(source, f"{received['schema']}.{name}", read)
    if missing := sorted(set(tap or ()) - set(target)):
        entity = (tap or {})[missing[0]]
        if entity["emitted"]:
            raise _mismatch(missing[0], f"{entity['emitted']} were sent and 0 were received")
        yield from (
            Stream(source, name, Rows((tap or {})[name]["read"], 0, (tap or {})[name]["quarantined"]))
            for name in missing
        )


def _mismatch(stream: str, what: str) -> CheckFailedError:
    return CheckFailedError(
        f"the rows of {stream} do not add up: {what}",
        where="extract_load",
        next_command="fds run; report the error if it happens again",
    )


def _report(file: Path, key: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text())[key]
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckFailedError("the counts of the load are missing", where=file.name, next_command="fds run") from None
    return found


def read_quarantine(folder: Path) -> Iterator[Quarantined]:
    """Yield the quarantined rows of a run; `reason` and `raw` are cut to `KEPT_CHARACTERS`."""
    for file in sorted(folder.rglob("*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                row = json.loads(line)
                yield Quarantined(
                    entity=str(row["entity"]),
                    file=str(row["file"]),
                    line=int(row["line"] or 0),
                    reason=_bounded(row["reason"]),
                    raw=_bounded(row["raw"]),
                )


def _bounded(value: object) -> str:
    """Return `value` as text that PostgreSQL accepts: without NUL, and cut to `KEPT_CHARACTERS`."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\0", "\ufffd")[:KEPT_CHARACTERS]
