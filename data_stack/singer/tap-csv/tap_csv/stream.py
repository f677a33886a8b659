"""Emit one entity as a Singer stream, as Parquet batches written by DuckDB or as single records."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import duckdb
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
from singer_sdk.streams import Stream

from tap_csv.containers import content_digest
from tap_csv.errors import FileRefusedError, TapError, of_duckdb, of_os
from tap_csv.files import Bytes, Text, check_file, find, measure, prepare, printable
from tap_csv.memory import LoadedFile, Memory
from tap_csv.quarantine import Quarantine
from tap_csv.report import Counts
from tap_csv.scan import MANY_COLUMNS, Scanned, scan, write_parquet
from tap_csv.settings import Entity
from tap_csv.sql import identifier, literal, parquet_relation
from tap_csv.types import STRING, WIDE, ColumnType

if TYPE_CHECKING:
    from tap_csv.tap import TapCSV

_PAGE = 10_000


@dataclass(frozen=True)
class _File:
    """A file to load: its scan, its size and modification time, and the digest of its bytes."""

    scanned: Scanned
    stamp: tuple[int, int]
    digest: str

    @property
    def path(self) -> Path:
        return self.scanned.text.original

    @property
    def has_changed(self) -> bool:
        """Whether the file is missing, or has another size or modification time than when its scan began."""
        return not self.path.exists() or _stamp(self.path) != self.stamp


class CSVStream(Stream):
    """Stream of the files of one entity. All files of all entities are scanned before the first record is emitted."""

    def __init__(self, tap: TapCSV, entity: Entity) -> None:
        self._csv_tap, self.entity = tap, entity
        super().__init__(tap, name=entity.name)
        self.primary_keys = entity.key_columns
        self.replication_key = entity.replication_key
        self.counts: list[Counts] = []
        self._quarantine = Quarantine(entity.name, tap.folder)
        self._touched: dict[str, LoadedFile] = {}

    @property
    def schema(self) -> dict[str, Any]:
        keys = self.entity.key_columns
        properties = {name: kind.json_schema(nullable=name not in keys) for name, kind in self._columns.items()}
        return {"type": "object", "properties": properties, "required": list(keys)}

    @cached_property
    def _memory(self) -> Memory:
        return Memory.of_state(self.stream_state, self.entity.fingerprint)

    @cached_property
    def _files(self) -> list[_File]:
        """The scanned files that this run must load; a refused file is reported and does not affect other files."""
        files: list[_File] = []
        for path in self._memory.in_order(find(self.entity)):
            try:
                file = self._scanned(path, files)
            except FileRefusedError as error:
                self._refuse(path, error)
                continue
            except OSError as error:
                if isinstance(said := of_os(error, path), FileRefusedError):
                    self._refuse(path, said)
                    continue
                raise said from None
            if file:
                files.append(file)
        return files

    def _scanned(self, path: Path, files: list[_File]) -> _File | None:
        """Scan a file.

        With `incremental: file`, return None if an earlier run loaded its content, or if a file in `files` has it.
        """
        self._quarantine.begin()
        check_file(path)
        stamp = _stamp(path)
        incremental = self.entity.incremental == "file"
        known = self._memory.unchanged(path, stamp) if incremental else None
        if not known:
            text, size, digest = self._measured(path, incremental)
            if incremental:
                known = self._memory.same_content(path, digest)
                known = known or next((_loaded(file) for file in files if file.digest == digest), None)
        if known:
            self._touched[str(path)] = LoadedFile(stamp, known.digest, known.records)
            self.counts.append(Counts(str(path), skipped=known.records))
            return None
        if len(text.columns) > MANY_COLUMNS:  # so many columns need twice the memory, even with one thread
            self._csv_tap.connection.execute("SET threads = 1; SET memory_limit = '800MB'")
        try:
            scanned = scan(self._csv_tap.connection, text, size, self.entity, self._csv_tap.folder, self._quarantine)
        except duckdb.Error as error:
            raise of_duckdb(error, path) from None
        file = _File(scanned, stamp, digest)
        if file.has_changed:
            raise FileRefusedError(f"{path} changed while it was read; run again")
        read = scanned.good + scanned.bad
        self.counts.append(Counts(str(path), read=read, quarantined=scanned.bad, ignored=scanned.ignored))
        return file

    def _measured(self, path: Path, incremental: bool) -> tuple[Text, Bytes, str]:
        """Return the text of a file, its byte counts, and its digest, which another thread computes meanwhile.

        The digest is empty if files are not loaded incrementally, because then nothing is compared with it.
        """
        with ThreadPoolExecutor(1) as background:
            digest = background.submit(content_digest, path) if incremental else None
            text = prepare(path, self.entity, self._csv_tap.folder)
            return text, measure(text), digest.result() if digest else ""

    def _refuse(self, path: Path, error: FileRefusedError) -> None:
        self._quarantine.forget()
        self.counts.append(Counts(printable(path), refused=error.message))
        self.logger.warning("refused: %s", error.message)

    @cached_property
    def _columns(self) -> dict[str, ColumnType]:
        """The columns of all files, each with a type wide enough for all files and for the rows of earlier runs."""
        columns: dict[str, ColumnType] = {}
        seen = self._memory.columns
        spelled = {
            name.lower(): name for name in (*seen, *self.entity.declared)
        }  # a table ignores the case of column names
        for file in self._files:
            for given, kind in file.scanned.values.types.items():
                name = spelled.setdefault(given.lower(), given)
                columns[name] = kind if columns.get(name) != WIDE else WIDE
        if not columns:
            columns = {name: self.entity.columns.get(name, STRING) for name in (spelled[old.lower()] for old in seen)}
        columns |= {name: kind for name, kind in self.entity.declared.items() if name not in columns}
        return {name: kind.widest if seen.get(name) else kind for name, kind in columns.items()}

    @property
    def has_files(self) -> bool:
        """Whether there is a file to load."""
        return bool(self._files)

    @property
    def has_new_settings(self) -> bool:
        """Whether the entity's settings have changed since the last load."""
        return self._memory.stale

    def get_batches(
        self, batch_config: BatchConfig, context: Mapping[str, Any] | None = None
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Yield Parquet files in a local folder; the SDK handles other encodings and storages."""
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
            result = connection.execute(f"SELECT * FROM {parquet_relation(path)}")
            names = [column[0] for column in result.description or ()]
            while rows := result.fetchmany(_PAGE):
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        self._finish()

    def _parquet(self, folder: Path, stem: str, compression: str) -> Iterator[Path]:
        """Write one Parquet file for each CSV file that has good records, and yield its path."""
        self._quarantine.publish(Path(self.config["quarantine_dir"]))
        counts = {count.path: count for count in self.counts}
        columns = {name: kind for name, kind in self._columns.items() if self.mask[("properties", name)]}
        where, bookmark = self._newer()
        for number, file in enumerate(self._files):
            count = counts[str(file.path)]
            if file.scanned.good:
                path = folder / f"{stem}-{number}.parquet"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    count.emitted = write_parquet(
                        self._csv_tap.connection, file.scanned, self.entity, columns, path, compression, where
                    )
                    bookmark = self._bookmark(path, bookmark)
                except OSError as error:
                    raise of_os(error, path) from None
                except duckdb.Error as error:
                    raise of_duckdb(error, file.path) from None
                if file.has_changed:
                    raise TapError(f"{file.path} changed while it was read; run again")
                count.skipped = file.scanned.good - count.emitted
                count.read = count.emitted + count.quarantined
                yield path
        self._remember(bookmark)

    def _newer(self) -> tuple[str, str | None]:
        """Return an SQL condition for the rows that `incremental: column` loads, and the bookmark where they start."""
        bookmark, key = self.stream_state.get("replication_key_value"), self.entity.replication_key
        if bookmark is None or key is None or self._memory.stale:
            return "true", None
        column, kind = identifier(key), self._columns[key].sql
        return f"({column} IS NULL OR coalesce({column} >= TRY_CAST({literal(bookmark)} AS {kind}), true))", bookmark

    def _bookmark(self, path: Path, bookmark: str | None) -> str | None:
        key = self.entity.replication_key
        if key is None:
            return None
        kind, column = self._columns[key].sql, identifier(key)
        before = f"TRY_CAST({literal(bookmark)} AS {kind})" if bookmark is not None else "NULL"
        query = f"SELECT CAST(greatest(max({column}), {before}) AS VARCHAR) FROM {parquet_relation(path)}"
        row = self._csv_tap.connection.execute(query).fetchone()
        return row[0] if row else bookmark

    def _remember(self, bookmark: str | None) -> None:
        """Prepare the state with the files of this run; `_finish` writes it after the last record or batch."""
        seen = {**self._memory.columns, **{name: kind == WIDE for name, kind in self._columns.items()}}
        self._next_state: dict[str, Any] = {"seen": seen, "settings": self.entity.fingerprint}
        if self.entity.incremental == "file":
            # Put reloaded files at the end, because the state lists files in the order of their latest loads.
            loaded = {str(file.path): _loaded(file) for file in self._files}
            known, stale = self._memory.files.items(), self._memory.stale
            # After a change of settings, files that this run did not load must still be read with the new settings.
            kept = {path: file.unloaded if stale else file for path, file in known if path not in loaded}
            files = kept | self._touched | loaded
            self._next_state["files"] = {path: file.as_json() for path, file in files.items()}
        if bookmark is not None:
            self._next_state |= {"replication_key": self.entity.replication_key, "replication_key_value": bookmark}

    def _finish(self) -> None:
        self.stream_state.update(self._next_state)
        self._csv_tap.report()

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Do nothing: `_finish` sets the bookmark to the greatest value after the whole load."""


def _loaded(file: _File) -> LoadedFile:
    return LoadedFile(file.stamp, file.digest, file.scanned.good)


def _stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and modification time in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
