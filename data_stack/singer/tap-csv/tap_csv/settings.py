"""What the tap is told: checked once, before any file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import BATCH_CONFIG

from tap_csv.errors import TapError
from tap_csv.types import FORMS, ColumnType, declared

DELIMITERS = (",", ";", "\t", "|")
"""What `delimiter: auto` tells apart."""

Incremental = Literal["none", "file", "column"]

_ENTITY = th.ObjectType(
    th.Property("entity", th.StringType, required=True, description="Name of the stream."),
    th.Property("paths", th.ArrayType(th.StringType), description="Files or globs, read in this order."),
    th.Property("path", th.StringType, description="One file or glob, instead of `paths`."),
    th.Property("keys", th.ArrayType(th.StringType), default=[], description="Columns that identify a record."),
    th.Property("columns", th.ObjectType(additional_properties=th.StringType), description="Types by column name."),
    th.Property("incremental", th.StringType, default="file", allowed_values=["none", "file", "column"]),
    th.Property("replication_key", th.StringType, description="The column of `incremental: column`."),
)

SETTINGS = th.PropertiesList(
    th.Property("entities", th.ArrayType(_ENTITY), required=True, description="What to read."),
    th.Property("delimiter", th.StringType, default="auto", description="One character, or auto: one of , ; tab |"),
    th.Property("quotechar", th.StringType, default='"', description="Character around fields, doubled inside them."),
    th.Property("encoding", th.StringType, default="utf-8", description="Encoding of the files."),
    th.Property("quarantine_dir", th.StringType, default="quarantine", description="Folder for rows that are bad."),
    th.Property("report_path", th.StringType, description="JSON file for the counts of the run."),
    th.Property("max_record_bytes", th.IntegerType, default=16 * 2**20, description="A longer record is bad."),
).to_dict()
SETTINGS["properties"] |= deepcopy(BATCH_CONFIG["properties"])

COMPRESSIONS = ("snappy", "zstd", "gzip", "none")
"""Of Parquet batches; the SDK's own list knows gzip and none, which is all that its JSON Lines have."""
SETTINGS["properties"]["batch_config"]["properties"]["encoding"]["properties"]["compression"]["enum"] = COMPRESSIONS


@dataclass(frozen=True)
class Dialect:
    """How the text of a file becomes fields. `delimiter` is None where each file's header decides."""

    delimiter: str | None
    quote: str
    encoding: str
    max_record_bytes: int


@dataclass(frozen=True)
class Entity:
    """One stream: its files, its keys, and the types and forms that it insists on."""

    name: str
    paths: tuple[str, ...]
    keys: tuple[str, ...]
    columns: Mapping[str, ColumnType]
    forms: Mapping[str, str]
    incremental: Incremental
    replication_key: str | None

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that each header must have."""
        key = (self.replication_key,) if self.replication_key else ()
        return tuple(dict.fromkeys((*self.keys, *self.columns, *self.forms, *key)))


def dialect(config: Mapping[str, Any]) -> Dialect:
    """Check delimiter, quote and encoding.

    Raises:
        TapError: a setting cannot work.
    """
    delimiter, quote, encoding = str(config["delimiter"]), str(config["quotechar"]), str(config["encoding"])
    found = None if delimiter == "auto" else {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
    for name, value in (("delimiter", found), ("quotechar", quote)):
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n\0"):
            raise TapError(f"setting {name} must be one ASCII character, not {value!r}")
    if quote == found:
        raise TapError("settings delimiter and quotechar are the same character")
    try:
        "".encode(encoding)
    except LookupError:
        raise TapError(f"setting encoding names no encoding that is known: {encoding!r}") from None
    if config["max_record_bytes"] < 1:
        raise TapError("setting max_record_bytes must be positive")
    return Dialect(found, quote, encoding, int(config["max_record_bytes"]))


def entities(config: Mapping[str, Any]) -> tuple[Entity, ...]:
    """Check the entities.

    Raises:
        TapError: an entity has no files, is there twice, or asks for what cannot be.
    """
    found = tuple(_entity(raw) for raw in config["entities"])
    names = [entity.name.lower() for entity in found]
    for name in names:
        if names.count(name) > 1:
            raise TapError(f"setting entities holds {name!r} more than once")
    return found


def _entity(raw: Mapping[str, Any]) -> Entity:
    name = str(raw["entity"])
    paths = tuple(raw.get("paths") or ()) + ((raw["path"],) if raw.get("path") else ())
    if not paths:
        raise TapError(f"entity {name!r} has no paths")
    incremental: Incremental = raw.get("incremental") or "file"
    key = raw.get("replication_key")
    if (incremental == "column") != bool(key):
        raise TapError(f"entity {name!r}: replication_key goes with incremental: column, and only with it")
    texts = dict(raw.get("columns") or {})
    columns = {column: declared(column, text) for column, text in texts.items() if text not in FORMS}
    forms = {column: text for column, text in texts.items() if text in FORMS}
    return Entity(name, paths, tuple(raw.get("keys") or ()), columns, forms, incremental, key)
