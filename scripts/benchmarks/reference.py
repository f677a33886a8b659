"""Define a tap and a target that use only the Singer SDK, as the reference for load times.

Usage: `python -m scripts.benchmarks.reference tap|target …`. The tap is the SDK's Stream with a csv reader; it sends
each record as a JSON line. The target is the SDK's BatchSink, which loads batches of 10,000 records into DuckDB through
Arrow. This is the fastest way to load single records, so the comparison favours the reference.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from singer_sdk import Stream, Tap, Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink

_SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("date", th.DateType),
    th.Property("customer_id", th.StringType),
    th.Property("amount", th.NumberType),
    th.Property("currency", th.StringType),
    th.Property("category", th.StringType),
    th.Property("description", th.StringType),
).to_dict()


class _Transactions(Stream):
    name = "transactions"
    primary_keys: ClassVar[list[str]] = ["id"]
    schema: ClassVar[dict[str, Any]] = _SCHEMA

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        with Path(self.config["file"]).open(newline="") as stream:
            for row in csv.DictReader(stream):
                yield {**row, "id": int(row["id"]), "amount": Decimal(row["amount"])}


class ReferenceTap(Tap):
    name = "tap-reference"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("file", th.StringType, required=True)
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [_Transactions(self)]


class _Sink(BatchSink):
    def process_batch(self, context: dict[str, Any]) -> None:
        columns = {name: [record.get(name) for record in context["records"]] for name in self.schema["properties"]}
        columns["amount"] = [float(amount) for amount in columns["amount"]]
        with duckdb.connect(self.config["path"]) as connection:
            connection.register("incoming", pa.table(columns))
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self.stream_name} AS SELECT * FROM incoming LIMIT 0")
            connection.execute(f"INSERT INTO {self.stream_name} SELECT * FROM incoming")


class ReferenceTarget(Target):
    name = "target-reference"
    default_sink_class = _Sink
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("path", th.StringType, required=True)
    ).to_dict()


if __name__ == "__main__":
    which = sys.argv.pop(1)
    (ReferenceTap if which == "tap" else ReferenceTarget).cli()
