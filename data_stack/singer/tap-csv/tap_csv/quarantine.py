"""Write rows that cannot be loaded, with file, line and reason, to one JSON Lines file per entity and run."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tap_csv.errors import of_os
from tap_csv.records import Raw


@dataclass(frozen=True)
class First:
    """Line and reason of the first bad row of a file."""

    line: int
    reason: str


class Quarantine:
    """Collect bad rows in a temporary folder until `publish` moves them to their final folder.

    `count` and `lines` are the numbers of bad records and of their physical lines since the last `begin`. `first`
    describes the first bad record since then.
    """

    def __init__(self, entity: str, folder: Path) -> None:
        self._entity = entity
        self._path = folder / f"{entity}.jsonl".replace("/", "_")
        self._stream = self._path.open("w", encoding="utf-8")
        self._total = 0
        self.begin()

    def begin(self) -> None:
        """Reset the counts for the next file."""
        self._mark = self._stream.tell()
        self.count = self.lines = 0
        self.first: First | None = None

    def add(self, file: Path, raw: Raw, reason: str) -> None:
        """Add a bad record to the quarantine file. Bytes that are not valid UTF-8 are escaped."""
        text = raw.data.decode("utf-8", "backslashreplace")
        row = {
            "entity": self._entity, "file": str(file), "line": raw.line, "lines": raw.lines, "reason": reason,
            "raw": text,
        }  # fmt: skip
        self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._total += 1
        self.count += 1
        self.lines += raw.lines
        if self.first is None or raw.line < self.first.line:
            self.first = First(raw.line, reason)

    def forget(self) -> None:
        """Remove the rows that were added since the last `begin`, because the whole file is refused."""
        self._stream.seek(self._mark)
        self._stream.truncate()
        self._total -= self.count
        self.begin()

    def publish(self, folder: Path) -> None:
        """Move the quarantine file into `folder`; create no file if no row is quarantined."""
        self._stream.close()
        if not self._total:
            return
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        final = folder / f"{self._path.stem}-{moment}-{os.getpid()}.jsonl"
        part = final.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._path, part)
            part.replace(final)
        except OSError as error:
            raise of_os(error, final) from None
