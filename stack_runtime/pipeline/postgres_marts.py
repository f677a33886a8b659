"""Publish the marts to PostgreSQL for BI tools: convert the column types, and replace all marts in one transaction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from stack_runtime.errors import CheckFailedError, UnreachableError
from stack_runtime.pipeline.marts import SCHEMA, Mart, find_marts, literal, quoted
from stack_runtime.pipeline.postgres_config import PostgresConfig

_NAME_BYTES = 63
"""Maximum length of a name in bytes; PostgreSQL cuts longer names without an error."""
_MARK = "mart of the data stack: replaced by every run, dropped with its model"
"""Comment that marks each table that a run created, because a person may have created other tables in the schema."""

_SERVER_COLUMNS = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_OUR_TABLES = """SELECT relname FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND obj_description(oid, 'pg_class') = %s"""

_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "UTINYINT": "smallint",
    "INTEGER": "integer",
    "USMALLINT": "integer",
    "BIGINT": "bigint",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric",
    "HUGEINT": "numeric",
    "UHUGEINT": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "TIMESTAMP_S": "timestamp without time zone",
    "TIMESTAMP_MS": "timestamp without time zone",
    "TIMESTAMP_NS": "timestamp without time zone",
    "TIME WITH TIME ZONE": "time with time zone",
    "INTERVAL": "interval",
    "BLOB": "bytea",
    "JSON": "jsonb",
    "UUID": "uuid",
}
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\(.*\)|.*\[\d*\]", re.DOTALL)

Columns = list[tuple[str, str]]
"""Names and PostgreSQL types of columns."""


def publish_marts(database: Path, postgres: PostgresConfig, scratch: Path) -> None:
    """Replace the marts in PostgreSQL with the marts of `database`; readers see the old marts until the commit.

    Args:
        scratch: folder for a temporary CSV file of one table at a time.

    Raises:
        UnreachableError: PostgreSQL does not answer or closed the connection; its marts are unchanged.
        CheckFailedError: a name is too long, or PostgreSQL refuses a table.
    """
    with duckdb.connect(str(database), read_only=True) as source:
        source.execute("SET TimeZone = 'UTC'")
        marts = find_marts(source)
        _check_names(marts)
        try:
            with postgres.connect("fds publish") as target:
                target.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
                _drop_removed(target, {mart.name for mart in marts})
                for mart in marts:
                    _replace(source, target, mart, scratch / "mart.csv")
        except psycopg.OperationalError as error:
            raise UnreachableError(
                f"PostgreSQL closed the connection: {_line(error)}", where=postgres.host, next_command="fds run"
            ) from None
        except psycopg.Error as error:
            raise CheckFailedError(
                f"PostgreSQL refuses the marts: {_line(error)}", where=postgres.host, next_command="correct it"
            ) from None


def _check_names(marts: list[Mart]) -> None:
    for mart in marts:
        for name in (mart.name, *(column for column, _ in mart.columns)):
            if len(name.encode()) > _NAME_BYTES:
                raise CheckFailedError(
                    f"{name[:80]!r} in mart {mart.name[:80]} is longer than {_NAME_BYTES} bytes, PostgreSQL's limit",
                    where="publish",
                    next_command="give it a shorter alias in the model",
                )


def _drop_removed(target: psycopg.Connection[Any], marts: set[str]) -> None:
    """Drop the tables that earlier runs created and whose mart no longer exists.

    PostgreSQL refuses this if a view reads such a table.
    """
    for (name,) in target.execute(_OUR_TABLES, (SCHEMA, _MARK)).fetchall():
        if name not in marts:
            target.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(SCHEMA, name)))


def _replace(source: duckdb.DuckDBPyConnection, target: psycopg.Connection[Any], mart: Mart, file: Path) -> None:
    columns: Columns = [(name, _type(kind)) for name, kind in mart.columns]
    name = sql.Identifier(SCHEMA, mart.name)
    if target.execute(_SERVER_COLUMNS, (name.as_string(target),)).fetchall() == columns:
        # Use DELETE, because TRUNCATE waits for all readers and shows an empty table to transactions that began
        # earlier.
        target.execute(sql.SQL("DELETE FROM {}").format(name))
    else:
        definitions = sql.SQL(", ").join(
            sql.SQL("{} ").format(sql.Identifier(column)) + sql.SQL(kind) for column, kind in columns
        )
        target.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
        target.execute(sql.SQL("CREATE TABLE {} ({})").format(name, definitions))
    target.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(_MARK)))
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(name)
    try:
        _export(source, mart, file)
        with target.cursor() as cursor, file.open("rb") as data, cursor.copy(statement) as copy:
            while block := data.read(1 << 18):
                copy.write(block)
    finally:
        file.unlink(missing_ok=True)  # also after a failure: on a full disk, PostgreSQL needs the space


def _export(source: duckdb.DuckDBPyConnection, mart: Mart, file: Path) -> None:
    selected = ", ".join(_csv_expression(*column) for column in mart.columns)
    options = "FORMAT csv, HEADER false, FORCE_QUOTE *"
    source.execute(f"COPY (SELECT {selected} FROM {mart.sql()}) TO {literal(file)} ({options})")


def _csv_expression(column: str, kind: str) -> str:
    """Return the SQL expression that writes a column as text for PostgreSQL, with NUL characters replaced."""
    name, wanted = quoted(column), _type(kind)
    if wanted == "bytea":
        return f"'\\x' || hex({name}) AS {name}"
    if wanted == "jsonb":
        text = name if kind == "JSON" else f"to_json({name})"  # on a JSON column, `to_json` would round numbers
        return f"replace(CAST({text} AS VARCHAR), '\\u0000', '\\ufffd') AS {name}"
    if wanted == "date" or wanted.startswith("timestamp"):
        return f"replace(CAST({name} AS VARCHAR), '(BC)', 'BC') AS {name}"
    return f"replace(CAST({name} AS VARCHAR), chr(0), chr(65533)) AS {name}" if wanted == "text" else name


def _type(duckdb_type: str) -> str:
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb_type):
        return f"numeric({match[1]},{match[2]})"
    return "jsonb" if _NESTED.fullmatch(duckdb_type) else _TYPES.get(duckdb_type, "text")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
