"""Define the target: settings, connection, counts, report and state."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import duckdb
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.sinks import Sink

from target_duckdb.errors import TargetError, of_duckdb
from target_duckdb.sink import DuckDBSink
from target_duckdb.table import Table

_THREADS = 2
_LOADING = "__loading"


class TargetDuckDB(Target):
    """Target for DuckDB: one connection, one transaction per batch; state is emitted after its data is committed."""

    name = "target-duckdb"
    package_name = "fds-target-duckdb"
    default_sink_class = DuckDBSink
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("path", th.StringType, required=True, description="The database file."),
        th.Property("default_target_schema", th.StringType, default="main", description="Schema of the tables."),
        th.Property(
            "load_method", th.StringType, default="upsert", allowed_values=["upsert", "append-only", "overwrite"],
            description="Replace rows by key (append if a stream has no key), append rows, or replace the table.",
        ),
        th.Property(
            "report_path", th.StringType,
            description="JSON file for the counts of the run; environment variables in it ($NAME) are replaced.",
        ),
        th.Property("memory_limit", th.StringType, default="700MB", description="Memory limit of DuckDB."),
        th.Property("add_record_metadata", th.BooleanType, default=False, description="Add the SDK's _sdc columns."),
    ).to_dict()  # fmt: skip
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT, PluginCapabilities.BATCH, PluginCapabilities.STRUCTURED_LOGGING,
    ]  # fmt: skip

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_parallelism = 1  # because there is only one connection
        self._counts: dict[str, dict[str, int]] = {}
        self._tables: dict[str, Table] = {}
        self._in_place = False

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open connection to the database file.

        Raises:
            TargetError: the database cannot be opened.
        """
        path = Path(self.config["path"])
        config = {"threads": _THREADS, "memory_limit": self.config["memory_limit"], "preserve_insertion_order": False}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(path), config=config)
            connection.execute("SET TimeZone = 'UTC'")  # so that times with an offset are stored as UTC
            return connection
        except OSError as error:
            raise TargetError(f"{path} cannot be opened: {error.strerror}") from None
        except duckdb.Error as error:
            raise of_duckdb(error, f"opening {path}") from None

    @property
    def _overwrites(self) -> bool:
        return bool(self.config["load_method"] == "overwrite")

    def begin(self, stream: str) -> None:
        """Prepare a stream when its first schema arrives.

        The load method `overwrite` loads into a new table next to the old one. If a failed run left such
        a new table, drop it.
        """
        if stream not in self._counts:
            self._counts[stream] = {"received": 0, "loaded": 0, "replaced": 0}
            if self._overwrites:
                with self.table(stream).transaction():
                    self.table(stream).drop()

    def table(self, stream: str) -> Table:
        """Return the table that a stream is loaded into during the run."""
        return self._table(stream + (_LOADING if self._overwrites else ""))

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            self._tables[name] = Table(self.connection, self.config["default_target_schema"], name)
        return self._tables[name]

    def count(self, stream: str, *, received: int = 0, loaded: int = 0, replaced: int = 0) -> None:
        """Add these numbers to the counts of a stream.

        Args:
            received: number of records that the target has received.
            loaded, replaced: numbers of rows as `Table.upsert` returns them; the caller adds them after the commit.
        """
        for name, number in (("received", received), ("loaded", loaded), ("replaced", replaced)):
            self._counts[stream][name] += number

    def get_sink(
        self, stream_name: str, *, record: dict[str, Any] | None = None, schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:  # fmt: skip
        """Return the sink of a stream. For a new schema, first load the pending records, which have the old schema."""
        if schema is not None and self.sink_exists(stream_name):
            self.drain_one(self._sinks_active[stream_name])
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    def process_endofpipe(self) -> None:
        """Load pending records, replace the tables to overwrite, checkpoint the database, and then emit the state."""
        for sink in self._sinks_active.values():
            self.drain_one(sink)
        if self._overwrites:
            for stream in self._counts:
                self._replace(stream)
            self._in_place = True
        if self._counts:
            try:
                self.connection.execute("CHECKPOINT")
            except duckdb.Error as error:
                raise of_duckdb(error, f"writing {self.config['path']}") from None
        self._write_report()
        super().process_endofpipe()
        self.connection.close()

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Exit immediately with an error code, because the SDK would load the received part and exit with 0.

        An exception does not work here: during a query, DuckDB converts any exception to a RuntimeError.
        """
        self.logger.warning("stopped by signal %d before all records were loaded", signum)
        os._exit(128 + signum)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit the state; if the load overwrites its table, emit the state only after the table is replaced."""
        if not self._overwrites or self._in_place:
            super()._write_state_message(state)

    def _replace(self, stream: str) -> None:
        """Replace the table of a stream by the new table; keep the former table if the stream had no record."""
        old, new = self._table(stream), self.table(stream)
        is_kept = not self._counts[stream]["received"] and bool(old.columns())
        with new.transaction():
            if is_kept:
                new.drop()
            else:
                old.drop()
                new.rename(stream)

    def _write_report(self) -> None:
        if not (target := self.config.get("report_path")):
            return
        path = Path(os.path.expandvars(target))
        part = path.with_name(f"{path.name}.part")
        schema = {"schema": self.config["default_target_schema"]}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            streams = {name: schema | counts for name, counts in self._counts.items()}
            part.write_text(json.dumps({"streams": streams}, indent=1))
            part.replace(path)
        except OSError as error:
            raise TargetError(f"{path} cannot be written: {error.strerror}") from None
