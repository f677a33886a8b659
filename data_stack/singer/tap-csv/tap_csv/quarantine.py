"""Rows that cannot be loaded: kept with file, line and reason, one JSON Lines file an entity and run."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from tap_csv.errors import of_os


class Quarantine:
    """Collects in a folder of its own; `publish` puts the file where users look, in one step."""

    def __init__(self, entity: str, folder: Path) -> None:
        self._entity = entity
        self._path = folder / f"{entity}.jsonl".replace("/", "_")
        self._stream = self._path.open("w", encoding="utf-8")
        self.count = 0

    def add(self, file: Path, line: int, reason: str, raw: bytes) -> None:
        """`line` is the physical line, from 1, at which the record begins. Bytes that are no UTF-8 are escaped."""
        text = raw.decode("utf-8", "backslashreplace")
        row = {"entity": self._entity, "file": str(file), "line": line, "reason": reason, "raw": text}
        self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.count += 1

    def publish(self, folder: Path) -> None:
        """Leave the file in `folder`; without a row there is none."""
        self._stream.close()
        if not self.count:
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
