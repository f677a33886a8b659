"""Remember the loaded files of earlier runs in the Singer state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoadedFile:
    """A file as it was when it was loaded. `stamp` is its size in bytes and its modification time in nanoseconds."""

    stamp: tuple[int, int]
    digest: str
    records: int

    @property
    def unloaded(self) -> LoadedFile:
        """A placeholder, so that the next run loads this file again. It keeps only the file's place in the order."""
        return LoadedFile((-1, -1), "", 0)

    def as_json(self) -> dict[str, Any]:
        return {"stamp": list(self.stamp), "digest": self.digest, "records": self.records}


@dataclass(frozen=True)
class Memory:
    """The loaded files by path, in the order in which they were loaded, and their columns.

    `columns` maps each column to True if it is a decimal whose values needed `types.WIDE`, the widest decimal type.
    """

    files: Mapping[str, LoadedFile] = field(default_factory=dict)
    columns: Mapping[str, bool] = field(default_factory=dict)
    stale: bool = False
    """Whether the entity's settings have changed since the last load; if so, all rows of all files are loaded again."""

    @classmethod
    def of_state(cls, state: Mapping[str, Any], fingerprint: str) -> Memory:
        files = {
            path: LoadedFile(tuple(known["stamp"]), str(known.get("digest", "")), int(known["records"]))
            for path, known in state.get("files", {}).items()
        }
        stale = "seen" in state and state.get("settings") != fingerprint
        return cls(files, dict(state.get("seen", {})), stale)

    def in_order(self, paths: Iterable[Path]) -> list[Path]:
        """Sort the files to load.

        A full reload begins with the known files in their former order, so that of several rows with the same key, the
        same row is the last one again.
        """
        known = {path: number for number, path in enumerate(self.files)} if self.stale else {}
        return sorted(paths, key=lambda path: known.get(str(path), len(known)))

    def unchanged(self, path: Path, stamp: tuple[int, int]) -> LoadedFile | None:
        """Return the `LoadedFile` of a file whose size and time have not changed since its load, else None."""
        known = None if self.stale else self.files.get(str(path))
        return known if known and known.stamp == stamp else None

    def same_content(self, path: Path, digest: str) -> LoadedFile | None:
        """Return the `LoadedFile` of a file with this content that was loaded earlier from any path, else None.

        Also return None if `path` was loaded with other content afterwards: that load may have replaced rows of this
        content, so this content must be loaded again.
        """
        if self.stale:
            return None
        names, own = list(self.files), self.files.get(str(path))
        if own and own.digest == digest:
            return own
        first = next((name for name in names if self.files[name].digest == digest), None)
        if first is None or (own and names.index(str(path)) > names.index(first)):
            return None
        return self.files[first]
