"""Write the report of the tap: for each file, its counts, or the reason why it was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tap_csv.errors import of_os

_SUMMED = ("read", "emitted", "quarantined", "ignored", "skipped")


@dataclass
class Counts:
    """Numbers of records of one file: read = emitted + quarantined.

    `ignored` records are empty or match ignore_rows. `skipped` records were loaded by an earlier run, or in this run
    from a file with the same content. The counts of a `refused` file are zero.
    """

    path: str
    read: int = 0
    emitted: int = 0
    quarantined: int = 0
    ignored: int = 0
    skipped: int = 0
    refused: str | None = None


def write_report(path: Path, entities: Mapping[str, Sequence[Counts]]) -> None:
    """Write the counts of all entities to `path` atomically.

    Raises:
        TapError: the file cannot be written.
    """
    report = {
        name: {what: sum(getattr(count, what) for count in counts) for what in _SUMMED}
        | {"files": [asdict(count) for count in counts]}
        for name, counts in entities.items()
    }
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"entities": report}, indent=1))
        part.replace(path)
    except OSError as error:
        raise of_os(error, path) from None
