"""What the tap tells of each file: counts, or why it was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tap_csv.errors import of_os

_SUMMED = ("read", "emitted", "quarantined", "ignored", "skipped")


@dataclass
class Counts:
    """Records of one file: read = emitted + quarantined.

    `ignored` ones are empty or of ignore_rows, `skipped` ones were loaded by an earlier run, or under another name in
    this one. A file that is `refused` counts nothing.
    """

    path: str
    read: int = 0
    emitted: int = 0
    quarantined: int = 0
    ignored: int = 0
    skipped: int = 0
    refused: str | None = None


def write_report(path: Path, entities: Mapping[str, Sequence[Counts]]) -> None:
    """Put the counts of all entities in place, in one step.

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
