"""Marts to PostgreSQL, for BI tools that speak it: every table of schema `marts`, all in one transaction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from stack_runtime.errors import CheckFailedError, UnreachableError
from stack_runtime.pipeline.postgres_config import PostgresConfig

SCHEMA = "marts"

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? ORDER BY table_name"
_COLUMNS = """SELECT column_name, data_type FROM duckdb_columns()
    WHERE schema_name = ? AND table_name = ? ORDER BY column_index"""
_SERVER_COLUMNS = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""

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
    "UUID": "uuid",
}

Columns = list[tuple[str, str]]


def publish_marts(database: Path, server: PostgresConfig, scratch: Path) -> None:
    """Make the server's marts those of `database`. Readers see the old ones until all of the new are there.

    Args:
        scratch: a folder for one table at a time, as CSV.

    Raises:
        UnreachableError: the server does not answer, or broke off; its marts are then the old ones.
        CheckFailedError: it refuses a table.
    """
    with duckdb.connect(str(database), read_only=True) as source:
        tables = [name for (name,) in source.execute(_TABLES, [SCHEMA]).fetchall()]
        try:
            with server.connect("fds publish") as target:
                target.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
                for table in tables:
                    _replace(source, target, table, scratch / "mart.csv")
        except psycopg.OperationalError as error:
            raise UnreachableError(
                f"PostgreSQL broke off: {_line(error)}", where=server.host, next_command="fds run again"
            ) from None
        except psycopg.Error as error:
            raise CheckFailedError(
                f"PostgreSQL refuses the marts: {_line(error)}", where=server.host, next_command="correct it"
            ) from None


def _replace(source: duckdb.DuckDBPyConnection, target: psycopg.Connection[Any], table: str, file: Path) -> None:
    found = source.execute(_COLUMNS, [SCHEMA, table]).fetchall()
    columns: Columns = [(name, _type(kind)) for name, kind in found]
    name = sql.Identifier(SCHEMA, table)
    if target.execute(_SERVER_COLUMNS, (name.as_string(target),)).fetchall() == columns:
        # Not TRUNCATE: that waits for every reader, and shows an empty table to those who began before.
        target.execute(sql.SQL("DELETE FROM {}").format(name))
    else:
        definitions = sql.SQL(", ").join(
            sql.SQL("{} ").format(sql.Identifier(column)) + sql.SQL(kind) for column, kind in columns
        )
        target.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
        target.execute(sql.SQL("CREATE TABLE {} ({})").format(name, definitions))
    _export(source, table, columns, file)
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(name)
    with target.cursor() as cursor, file.open("rb") as data, cursor.copy(statement) as copy:
        while block := data.read(1 << 18):
            copy.write(block)
    file.unlink()


def _export(source: duckdb.DuckDBPyConnection, table: str, columns: Columns, file: Path) -> None:
    def shown(column: str, kind: str) -> str:
        quoted = _quoted(column)
        # PostgreSQL has no NUL in text.
        return f"replace({quoted}::VARCHAR, chr(0), chr(65533)) AS {quoted}" if kind == "text" else quoted

    selected = ", ".join(shown(*column) for column in columns)
    path = str(file).replace("'", "''")
    source.execute(
        f"COPY (SELECT {selected} FROM {_quoted(SCHEMA)}.{_quoted(table)}) "
        f"TO '{path}' (FORMAT csv, HEADER false, FORCE_QUOTE *)"
    )


def _type(duckdb_type: str) -> str:
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb_type):
        return f"numeric({match[1]},{match[2]})"
    return _TYPES.get(duckdb_type, "text")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
