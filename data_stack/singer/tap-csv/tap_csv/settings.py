"""Define and check the settings, before any file is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import BATCH_CONFIG

from tap_csv.errors import TapError
from tap_csv.formats import FORMAT_NAMES, FORMAT_PROPERTIES, Format, choice, read_format, texts
from tap_csv.types import NARROW, STRING, ColumnType, declared

Incremental = Literal["none", "file", "column"]

_MAX_RECORD_BYTES = 16 * 2**20
_NAMES = th.ObjectType(additional_properties=th.StringType)
_ENTITY = th.ObjectType(
    th.Property("entity", th.StringType, required=True, description="Name of the stream."),
    th.Property("paths", th.ArrayType(th.StringType), description="Files or globs, read in this order."),
    th.Property("path", th.StringType, description="One file or glob, instead of `paths`."),
    th.Property("paths_file", th.StringType, description="JSON file with the list `paths`, instead of `paths`."),
    th.Property("keys", th.ArrayType(th.StringType), description="Columns that identify a record."),
    th.Property("generated_key", th.StringType, description="Name of a key column to add, instead of `keys`."),
    th.Property("columns", _NAMES, description="Types by column name; other columns are text."),
    th.Property("renames", _NAMES, description="Names in the file to column names."),
    th.Property("constants", _NAMES, description="Columns with a fixed value for every row."),
    th.Property(
        "debit_credit",
        th.ObjectType(additional_properties=_NAMES),
        description="One signed column from two columns of the file.",
    ),
    th.Property("incremental", th.StringType, description="file, column or none."),
    th.Property("replication_key", th.StringType, description="The column of `incremental: column`."),
    th.Property("on_missing_rows", th.StringType, description="keep: rows that are missing in a replaced file stay."),
    *FORMAT_PROPERTIES,
)

SETTINGS = th.PropertiesList(
    th.Property("entities", th.ArrayType(_ENTITY), required=True, description="What to read."),
    th.Property("quarantine_dir", th.StringType, default="quarantine", description="Folder for bad rows."),
    th.Property("report_path", th.StringType, description="JSON file for the counts of the run."),
    th.Property(
        "max_record_bytes",
        th.IntegerType,
        default=_MAX_RECORD_BYTES,
        description="Maximum length of a record; a longer one is bad.",
    ),
    *FORMAT_PROPERTIES,
).to_dict()
SETTINGS["properties"] |= deepcopy(BATCH_CONFIG["properties"])

COMPRESSIONS = ("snappy", "zstd", "gzip", "none")
"""Compressions of Parquet batches. The Singer SDK's list has only gzip and none, for JSON Lines."""
SETTINGS["properties"]["batch_config"]["properties"]["encoding"]["properties"]["compression"]["enum"] = COMPRESSIONS

ENTITY_NAMES: tuple[str, ...] = tuple(_ENTITY.to_dict()["properties"])


@dataclass(frozen=True)
class DebitCredit:
    """The two columns of the file that form one signed column."""

    debit: str
    credit: str


@dataclass(frozen=True)
class Entity:
    """One stream: its files, format, keys and column types.

    `columns` has the types of the declared columns except keys. `fingerprint` is a digest of the settings that affect
    the values.
    """

    name: str
    paths: tuple[str, ...]
    keys: tuple[str, ...] = ()
    generated_key: str | None = None
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    debit_credit: Mapping[str, DebitCredit] = field(default_factory=dict)
    incremental: Incremental = "file"
    replication_key: str | None = None
    format: Format = field(default_factory=Format)
    max_record_bytes: int = _MAX_RECORD_BYTES
    fingerprint: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that each file must have, by their names after `renames`."""
        made = {*self.constants, *self.debit_credit}
        wanted = [name for name in (*self.keys, *self.columns, self.replication_key) if name and name not in made]
        pairs = [name for pair in self.debit_credit.values() for name in (pair.debit, pair.credit)]
        return tuple(dict.fromkeys((*wanted, *pairs)))

    @property
    def key_columns(self) -> tuple[str, ...]:
        return (self.generated_key,) if self.generated_key else self.keys

    @property
    def declared(self) -> Mapping[str, ColumnType]:
        """The types of keys, constants and declared columns. The schema has these columns even if no file is loaded."""
        return {**dict.fromkeys((*self.key_columns, *self.constants), STRING), **self.columns}


def entities(config: Mapping[str, Any]) -> tuple[Entity, ...]:
    """Check all settings and return the entities.

    Raises:
        TapError: a setting is invalid, or an entity has no paths or is declared twice.
    """
    _check_known(config, SETTINGS["properties"], "setting")
    if config.get("max_record_bytes", 1) < 1:
        raise TapError("setting max_record_bytes must be positive")
    shared: dict[str, Any] = {name: config[name] for name in FORMAT_NAMES if config.get(name) is not None}
    limit = int(config.get("max_record_bytes") or _MAX_RECORD_BYTES)
    found = tuple(_entity(raw, shared, limit) for raw in config["entities"])
    names = [entity.name.lower() for entity in found]
    for name in names:
        if names.count(name) > 1:
            raise TapError(f"setting entities contains {name!r} more than once")
    return found


def _check_known(given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise TapError(f"{what} {unknown!r} is unknown; known are {', '.join(known)}")


def _entity(raw: Mapping[str, Any], shared: dict[str, Any], limit: int) -> Entity:
    name = str(raw.get("entity") or "")
    if not name:
        raise TapError("setting entities has an entry without `entity`, the name of the stream")
    try:
        _check_known(raw, ENTITY_NAMES, "setting")
        own = {key: value for key, value in raw.items() if value is not None}
        return _checked(name, own, shared | {key: own[key] for key in FORMAT_NAMES if key in own}, limit)
    except TapError as error:
        raise TapError(f"entity {name!r}: {error.message}") from None


def _checked(name: str, raw: Mapping[str, Any], given: Mapping[str, Any], limit: int) -> Entity:
    paths = texts(raw, "paths") + ((str(raw["path"]),) if raw.get("path") else ()) + _listed(raw.get("paths_file"))
    if not paths:
        raise TapError("it has no paths")
    incremental: Incremental = choice(raw, "incremental", ("file", "column", "none"))  # type: ignore[assignment]
    choice(raw, "on_missing_rows", ("keep",))
    keys, generated = texts(raw, "keys"), raw.get("generated_key")
    types = {column: declared(column, text) for column, text in _mapping(raw, "columns").items()}
    pairs = {into: _pair(into, pair) for into, pair in _mapping(raw, "debit_credit", dict).items()}
    types |= {into: types.get(into, NARROW) for into in pairs}
    entity = Entity(
        name, paths, keys, generated, {column: kind for column, kind in types.items() if column not in keys},
        _mapping(raw, "renames"), _mapping(raw, "constants"), pairs, incremental, raw.get("replication_key"),
        read_format(given), limit, _fingerprint(raw, given, limit),
    )  # fmt: skip
    _check_columns(entity, types)
    return entity


def _listed(file: str | None) -> tuple[str, ...]:
    """Return the paths that the JSON file lists; no paths if `file` is None.

    A program that passes settings as environment variables uses such a file, because their length is limited.
    """
    try:
        return texts({"paths_file": json.loads(Path(file).read_text())}, "paths_file") if file else ()
    except (OSError, ValueError) as error:
        raise TapError(f"setting paths_file: {file} cannot be read: {error}") from None


def _mapping(raw: Mapping[str, Any], name: str, kind: type = str) -> dict[str, Any]:
    value = raw.get(name) or {}
    if not isinstance(value, Mapping) or not all(isinstance(item, kind) for item in value.values()):
        raise TapError(f"setting {name} must map names to {'texts' if kind is str else 'settings'}, not {value!r}")
    return dict(value)


def _pair(into: str, raw: Mapping[str, Any]) -> DebitCredit:
    if set(raw) != {"debit", "credit"} or not all(isinstance(name, str) for name in raw.values()):
        raise TapError(f"setting debit_credit: {into!r} must name the two columns debit and credit")
    return DebitCredit(raw["debit"], raw["credit"])


def _check_columns(entity: Entity, types: Mapping[str, ColumnType]) -> None:
    """Refuse column settings that contradict each other."""
    typed_key = next((key for key in entity.keys if types.get(key, STRING) != STRING), None)
    if typed_key:
        raise TapError(f"column {typed_key!r} is a key, and keys are text; declare no other type for it")
    if repeated := next((key for key in entity.keys if entity.keys.count(key) > 1), None):
        raise TapError(f"setting keys names {repeated!r} more than once")
    if entity.keys and entity.generated_key:
        raise TapError("it has both keys and generated_key; choose one")
    made = [*entity.constants, *entity.debit_credit, *filter(None, [entity.generated_key])]
    twice = next((name for name in made if made.count(name) > 1 or name in entity.keys), None)
    if twice:
        raise TapError(f"column {twice!r} is defined by two settings")
    names = sorted({*entity.keys, *types, *made}, key=str.lower)
    alike = next((pair for pair in pairwise(names) if pair[0].lower() == pair[1].lower()), None)
    if alike:
        raise TapError(f"columns {alike[0]!r} and {alike[1]!r} differ only in case, which a table ignores; rename one")
    constant = next((name for name in entity.constants if types.get(name, STRING) != STRING), None)
    if constant:
        raise TapError(f"column {constant!r} is one of constants, which are text; declare no other type for it")
    targets = [name.lower() for name in entity.renames.values()]
    if len(set(targets)) < len(targets):
        raise TapError("setting renames gives two columns one name")
    key = entity.replication_key
    if (entity.incremental == "column") != bool(key):
        raise TapError("replication_key and incremental: column need each other")
    if key and entity.columns.get(key, STRING).kind in ("string", "boolean"):
        raise TapError(f"replication_key {key!r} needs a declared type: date, datetime, integer or decimal")
    bad = next(
        (name for name, kind in entity.columns.items() if name in entity.debit_credit and kind.kind != "decimal"), None
    )
    if bad:
        raise TapError(f"column {bad!r} is made by debit_credit, so it must be a decimal")


def _fingerprint(raw: Mapping[str, Any], given: Mapping[str, Any], limit: int) -> str:
    """Return a digest of the settings that affect which rows are read and their values.

    The settings of paths and `incremental` are left out, and so is `limit` if it has its default.
    """
    left_out = ("path", "paths", "paths_file", "incremental")
    kept = {key: value for key, value in {**raw, **given}.items() if key not in left_out}
    if limit != _MAX_RECORD_BYTES:
        kept["max_record_bytes"] = limit
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()
