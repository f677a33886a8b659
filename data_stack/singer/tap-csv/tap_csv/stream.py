"""One entity as a Singer stream: Parquet batches written by DuckDB, or the same rows one by one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import duckdb
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
from singer_sdk.streams import Stream

from tap_csv.errors import TapError, of_duckdb, of_os
from tap_csv.files import find, prepare
from tap_csv.quarantine import Quarantine
from tap_csv.scan import Scanned, scan, write_parquet
from tap_csv.settings import Dialect, Entity
from tap_csv.sql import identifier, literal
from tap_csv.types import ColumnType, merged

if TYPE_CHECKING:
    from tap_csv.tap import TapCSV

_PAGE = 10_000


@dataclass
class Counts:
    """Records of one file: read = emitted + quarantined. `skipped` ones were loaded by an earlier run."""

    path: str
    read: int = 0
    emitted: int = 0
    quarantined: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class _File:
    """A file that is to be loaded. `stamp` tells whether it is still what it was."""

    scanned: Scanned
    stamp: tuple[int, int]


class CSVStream(Stream):
    """The files of one entity. Nothing is emitted before every file of every entity has been scanned."""

    def __init__(self, tap: TapCSV, entity: Entity, dialect: Dialect) -> None:
        self._csv_tap, self.entity, self._dialect = tap, entity, dialect
        super().__init__(tap, name=entity.name)
        self.primary_keys = entity.keys
        self.replication_key = entity.replication_key
        self.counts: list[Counts] = []
        self._quarantine = Quarantine(entity.name, tap.folder)

    @property
    def schema(self) -> dict[str, Any]:
        keys = self.entity.keys
        properties = {name: kind.json_schema(nullable=name not in keys) for name, kind in self._columns.items()}
        return {"type": "object", "properties": properties, "required": list(keys)}

    @cached_property
    def _files(self) -> list[_File]:
        """Scan what an earlier run has not loaded yet."""
        files = []
        for path in find(self.entity):
            stamp = _stamp(path)
            known = self._known.get(str(path))
            if known and tuple(known["stamp"]) == stamp:
                self.counts.append(Counts(str(path), skipped=known["records"]))
                continue
            folder, connection = self._csv_tap.folder, self._csv_tap.connection
            try:
                text = prepare(path, self._dialect, self.entity, folder)
                scanned = scan(connection, text, self.entity, self._dialect, folder, self._quarantine)
            except OSError as error:
                raise of_os(error, path) from None
            except duckdb.Error as error:
                raise of_duckdb(error, path) from None
            self.counts.append(Counts(str(path), read=scanned.good + scanned.bad, quarantined=scanned.bad))
            files.append(_File(scanned, stamp))
        return files

    @cached_property
    def _columns(self) -> dict[str, ColumnType]:
        """The columns of all files, each wide enough for all, and for what earlier runs have sent."""
        remembered = {name: ColumnType(*kind) for name, kind in self.stream_state.get("columns", {}).items()}
        columns: dict[str, ColumnType] = {}
        for file in self._files:
            for name, kind in file.scanned.columns.items():
                columns[name] = merged(columns[name], kind) if name in columns else kind
        if not self._files:
            return remembered
        wide = {name: merged(kind, remembered.get(name, kind)) for name, kind in columns.items()}
        return wide | dict(self.entity.columns)

    @property
    def _known(self) -> dict[str, Any]:
        files: dict[str, Any] = self.stream_state.get("files", {}) if self.entity.incremental == "file" else {}
        return files

    def get_batches(
        self, batch_config: BatchConfig, context: Mapping[str, Any] | None = None
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Parquet files beside each other in a local folder; other encodings and places are the SDK's own."""
        place = urlparse(batch_config.storage.root)
        if batch_config.encoding.format != "parquet" or place.scheme not in ("", "file"):
            yield from super().get_batches(batch_config, context)
            return
        folder = Path(unquote(place.path)).absolute()
        compression = (batch_config.encoding.compression or "snappy").replace("none", "uncompressed")
        prefix = batch_config.storage.prefix or ""
        for path in self._parquet(folder, f"{prefix}{self.name}-{uuid.uuid4()}", compression):
            yield batch_config.encoding, [path.as_uri()]
        self._finish()

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        connection = self._csv_tap.connection.cursor()
        for path in self._parquet(self._csv_tap.folder, f"{self.name}-{uuid.uuid4()}", "snappy"):
            result = connection.execute(f"SELECT * FROM read_parquet({literal(str(path))})")
            names = [column[0] for column in result.description or ()]
            while rows := result.fetchmany(_PAGE):
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        self._finish()

    def _parquet(self, folder: Path, stem: str, compression: str) -> Iterator[Path]:
        """Write one Parquet file for each CSV file that has good records."""
        self._quarantine.publish(Path(self.config["quarantine_dir"]))
        counts = {count.path: count for count in self.counts}
        columns = {name: kind for name, kind in self._columns.items() if self.mask[("properties", name)]}
        where, bookmark = self._newer()
        for number, file in enumerate(self._files):
            scanned, count = file.scanned, counts[str(file.scanned.text.original)]
            if scanned.good:
                path = folder / f"{stem}-{number}.parquet"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    count.emitted = write_parquet(self._csv_tap.connection, scanned, columns, path, compression, where)
                    bookmark = self._bookmark(path, bookmark)
                except OSError as error:
                    raise of_os(error, path) from None
                except duckdb.Error as error:
                    raise of_duckdb(error, scanned.text.original) from None
                if _stamp(scanned.text.original) != file.stamp:
                    raise TapError(f"{scanned.text.original} changed while it was read; run again")
                count.skipped = scanned.good - count.emitted
                count.read = count.emitted + count.quarantined
                yield path
        self._remember(bookmark)

    def _newer(self) -> tuple[str, str | None]:
        """SQL for the rows that `incremental: column` still wants, and the bookmark they begin at."""
        bookmark, key = self.stream_state.get("replication_key_value"), self.entity.replication_key
        if bookmark is None or key is None:
            return "true", None
        column, kind = identifier(key), self._columns[key].sql
        return f"({column} IS NULL OR coalesce({column} >= TRY_CAST({literal(bookmark)} AS {kind}), true))", bookmark

    def _bookmark(self, path: Path, bookmark: str | None) -> str | None:
        key = self.entity.replication_key
        if key is None:
            return None
        kind, column = self._columns[key].sql, identifier(key)
        before = f"TRY_CAST({literal(bookmark)} AS {kind})" if bookmark is not None else "NULL"
        query = f"SELECT CAST(greatest(max({column}), {before}) AS VARCHAR) FROM read_parquet({literal(str(path))})"
        row = self._csv_tap.connection.execute(query).fetchone()
        return row[0] if row else bookmark

    def _remember(self, bookmark: str | None) -> None:
        """Put into the state what this run has loaded; it is written only behind the last of its messages."""
        self._next_state: dict[str, Any] = {
            "columns": {n: [k.kind, k.digits, k.scale] for n, k in self._columns.items()}
        }
        if self.entity.incremental == "file":
            loaded = {
                str(f.scanned.text.original): {"stamp": list(f.stamp), "records": f.scanned.good} for f in self._files
            }
            self._next_state["files"] = self._known | loaded
        if bookmark is not None:
            self._next_state |= {"replication_key": self.entity.replication_key, "replication_key_value": bookmark}

    def _finish(self) -> None:
        self.stream_state.update(self._next_state)
        self._csv_tap.write_report()

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """The bookmark is the greatest value of the whole load, set when all of it is out."""


def _stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
