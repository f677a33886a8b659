"""Load one stream into one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from singer_sdk.helpers._batch import BaseBatchFileEncoding
from singer_sdk.sinks import BatchSink

from target_duckdb.errors import TargetError
from target_duckdb.rows import arrow_table, ascending, position_name
from target_duckdb.table import Load, identifier
from target_duckdb.types import sql_type

if TYPE_CHECKING:
    from target_duckdb.target import TargetDuckDB


class DuckDBSink(BatchSink):
    """Sink of one stream. It loads Parquet files directly, and records through Arrow.

    Each Parquet file and each batch of records is loaded in one transaction.
    """

    def __init__(
        self, target: TargetDuckDB, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target

    @property
    def columns(self) -> dict[str, str]:
        """Column names and their DuckDB types."""
        return {name: sql_type(schema) for name, schema in self.schema["properties"].items()}

    def setup(self) -> None:
        """Create or widen the table, even if no record follows.

        Raises:
            TargetError: the schema is not valid for a table.
        """
        names = [name.lower() for name in self.columns]
        if not names:
            raise TargetError(f"stream {self.stream_name!r} has no columns")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise TargetError(f"stream {self.stream_name!r} has the column {twice!r} twice, in different case")
        missing = [key for key in self.key_properties if key not in self.columns]
        if missing:
            raise TargetError(f"stream {self.stream_name!r} lacks its key {', '.join(missing)}")
        self._target.begin(self.stream_name)
        if self._target.config["load_method"] == "upsert":
            table = self._target.table(self.stream_name)
            with table.transaction():
                table.check_keys(self.key_properties)
        self._load(None)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Count a record and add it to the batch."""
        self._target.count(self.stream_name, received=1)
        super().process_record(record, context)

    def process_batch(self, context: Mapping[str, Any]) -> None:
        records = context.get("records", [])
        # Without a `batch_id`, the SDK read these records from a batch file and did not call `process_record`, so they
        # are not counted yet.
        if "batch_id" not in context:
            self._target.count(self.stream_name, received=len(records))
        connection = self._target.connection
        connection.register("incoming", arrow_table(records, self.columns))
        self._load("incoming" if records else None)
        connection.unregister("incoming")

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Load local Parquet files directly, one by one in the order of the manifest; the SDK reads other files."""
        self._target.drain_one(self)
        for file in files:
            place = urlparse(file)
            if encoding.format != "parquet" or place.scheme not in ("", "file"):
                super().process_batch_files(encoding, [file])
                continue
            path = unquote(place.path)
            self._load_parquet(path)

    def _load_parquet(self, path: str) -> None:
        literal = "".join(f"[{c}]" if c in "*?[" else c for c in path).replace("'", "''")
        try:
            with pq.ParquetFile(path) as file:
                received, present = file.metadata.num_rows, {field.name: field.type for field in file.schema_arrow}
            keys = self.key_properties
            is_text = len(keys) == 1 and self.columns[keys[0]] == "VARCHAR" and pa.types.is_string(present.get(keys[0]))
            distinct = is_text and ascending(path, keys[0])
        except (OSError, pa.ArrowException) as error:
            raise TargetError(f"batch file {path} of stream {self.stream_name!r} cannot be read: {error}") from None
        selected = ", ".join(
            f"CAST({identifier(name) if name in present else 'NULL'} AS {kind}) AS {identifier(name)}"
            for name, kind in self.columns.items()
        )
        # Number the rows with `row_number()` if the file has a column `file_row_number`, because DuckDB cannot number
        # them with its option of this name.
        is_taken = "file_row_number" in {name.lower() for name in present}
        number, option = ("row_number() OVER ()", "") if is_taken else ("file_row_number", ", file_row_number = true")
        position = position_name(self.columns)
        if is_taken:
            self._target.connection.execute("SET preserve_insertion_order = true")
        # Without `hive_partitioning = false`, DuckDB reads a folder `NAME=VALUE` in the path as a column.
        file = f"read_parquet('{literal}', hive_partitioning = false{option})"
        source = f"(SELECT {selected}, {number} AS {position} FROM {file})"
        self._target.count(self.stream_name, received=received)
        self._load(source if received else None, distinct=distinct, lasting=True)

    def _load(self, source: str | None, *, distinct: bool = False, lasting: bool = False) -> None:
        table, loaded, replaced = self._target.table(self.stream_name), 0, 0
        with table.transaction():
            kinds = table.fit(self.columns, source)
            if source:
                load = Load(source, self.columns, self.key_properties, kinds, distinct, lasting)
                if self._target.config["load_method"] == "upsert" and self.key_properties:
                    loaded, replaced = table.upsert(load)
                else:
                    loaded = table.append(load)
        if source:
            # Use a second transaction, because DuckDB cannot commit rows together with a new type of their column.
            with table.transaction():
                table.narrow(self.columns)
        self._target.count(self.stream_name, loaded=loaded, replaced=replaced)
