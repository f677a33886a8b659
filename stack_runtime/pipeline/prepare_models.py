"""Prepare the tables and views of a run's database for dbt, and drop those of removed models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.marts import quoted
from stack_runtime.pipeline.workspace import HAS_TABLE, Relation

_PRESENT = """SELECT table_schema, table_name, table_type FROM information_schema.tables
    WHERE table_catalog = current_database()"""


def remove_old_models(database: Path, models: Iterable[Relation], snapshots: Iterable[Relation]) -> None:
    """Drop models and seeds of earlier runs that are no longer declared, and store the names of all declared relations.

    Only relations whose names an earlier run stored are dropped, because a person may have created other relations in
    these schemas. The table of a removed snapshot stays, because its history cannot be built again.

    Args:
        models: tables and views of all declared models and seeds.
        snapshots: tables of all declared snapshots.
    """
    built, history = _lower(models), _lower(snapshots)
    with duckdb.connect(str(database)) as connection:
        connection.execute("BEGIN")
        history |= _stored(connection, "snapshots") - built
        for schema, name in _stored(connection, "models") - built - history:
            _drop(connection, schema, name)
        present = _lower((schema, name) for schema, name, _ in connection.execute(_PRESENT).fetchall())
        connection.execute("CREATE SCHEMA IF NOT EXISTS fds")
        for table, now in (("models", built), ("snapshots", history & present)):
            connection.execute(f"CREATE OR REPLACE TABLE fds.{table} (schema_name VARCHAR, name VARCHAR)")
            if now:
                connection.executemany(f"INSERT INTO fds.{table} VALUES (?, ?)", sorted(now))
        connection.execute("COMMIT")


def refuse_lost_history(database: Path, models: Iterable[Relation]) -> None:
    """Refuse models and seeds named like an earlier run's snapshot, because dbt would replace the snapshot's table.

    Raises:
        CheckFailedError: a model or seed has the name of a snapshot whose table still exists.
    """
    with duckdb.connect(str(database)) as connection:
        present = _lower((schema, name) for schema, name, _ in connection.execute(_PRESENT).fetchall())
        lost = sorted(_lower(models) & _stored(connection, "snapshots") & present)
    if lost:
        name = ".".join(lost[0])
        raise CheckFailedError(
            f"{name} is now a model or a seed, but its table has the history of a snapshot, which would be lost",
            where="transform",
            next_command="give the model another name, or drop the table in an on-run-start hook of a run without it",
        )


def drop_replaced_views(database: Path, tables: Iterable[Relation]) -> None:
    """Drop each view that has the name of one of `tables` (seeds and snapshots); dbt refuses to replace a view."""
    wanted = _lower(tables)
    with duckdb.connect(str(database)) as connection:
        for schema, name, kind in connection.execute(_PRESENT).fetchall():
            if kind == "VIEW" and (schema.lower(), name.lower()) in wanted:
                connection.execute(f"DROP VIEW {quoted(schema)}.{quoted(name)}")


def respell_models(database: Path, relations: Iterable[Relation]) -> None:
    """Rename tables and views whose names differ only in case from `relations`, because dbt refuses to replace them."""
    now = {(schema.lower(), name.lower()): name for schema, name in relations}
    with duckdb.connect(str(database)) as connection:
        for schema, name, kind in connection.execute(_PRESENT).fetchall():
            wanted = now.get((schema.lower(), name.lower()), name)
            if wanted != name:
                old = f"{quoted(schema)}.{quoted(name)}"
                connection.execute(f"ALTER {'VIEW' if kind == 'VIEW' else 'TABLE'} {old} RENAME TO {quoted(wanted)}")


def _lower(relations: Iterable[Relation]) -> set[Relation]:
    return {(schema.lower(), name.lower()) for schema, name in relations}


def _stored(connection: duckdb.DuckDBPyConnection, table: str) -> set[Relation]:
    """Return the relations that an earlier run stored in a table of the schema `fds`."""
    if not connection.execute(HAS_TABLE, [table]).fetchone():
        return set()
    return set(connection.execute(f"SELECT schema_name, name FROM fds.{table}").fetchall())


def _drop(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
    kind = connection.execute(
        "SELECT table_type FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND lower(table_schema) = ? AND lower(table_name) = ?",
        [schema, name],
    ).fetchone()
    if kind:
        connection.execute(f"DROP {'VIEW' if kind[0] == 'VIEW' else 'TABLE'} {quoted(schema)}.{quoted(name)}")
