"""Prepare the tables and views of a run's database for dbt, and drop those of removed models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.marts import quoted
from stack_runtime.pipeline.workspace import HAS_TABLE, Relation


class _Present(NamedTuple):
    """A table or view of the database; `kind` is `TABLE` or `VIEW`."""

    schema: str
    name: str
    kind: str

    @property
    def relation(self) -> Relation:
        """Return schema and name in small letters, because DuckDB ignores the case of names."""
        return self.schema.lower(), self.name.lower()

    @property
    def sql(self) -> str:
        """Return the table or view as an argument of DROP and ALTER."""
        return f"{self.kind} {quoted(self.schema)}.{quoted(self.name)}"


def prepare_relations(
    database: Path, models: Sequence[Relation], seeds: Sequence[Relation], snapshots: Sequence[Relation]
) -> None:
    """Rename or drop tables and views that dbt cannot replace, and check that no snapshot loses its history.

    Raises:
        CheckFailedError: a model or seed has the name of a snapshot whose table still exists.
    """
    with duckdb.connect(str(database)) as connection:
        present = _present(connection)  # valid also after `_respell`, because DuckDB ignores the case of names
        _respell(connection, present, [*models, *seeds, *snapshots])
        _refuse_lost_history(connection, present, [*models, *seeds])
        _drop_replaced_views(connection, present, [*seeds, *snapshots])


def remove_old_models(database: Path, models: Iterable[Relation], snapshots: Iterable[Relation]) -> None:
    """Drop models and seeds of earlier runs that are no longer declared, and store the names of the declared ones.

    Only relations whose names an earlier run stored are dropped, because a person may have created other relations in
    these schemas. The table of a removed snapshot stays, and so does its stored name, because its history cannot be
    built again.

    Args:
        models: tables and views of all declared models and seeds.
        snapshots: tables of all declared snapshots.
    """
    built, history = _lower(models), _lower(snapshots)
    with duckdb.connect(str(database)) as connection:
        connection.execute("BEGIN")
        history |= _stored(connection, "snapshots") - built
        removed = _stored(connection, "models") - built - history
        present = _present(connection)
        for found in present:
            if found.relation in removed:
                connection.execute(f"DROP {found.sql}")
        history &= {found.relation for found in present}
        connection.execute("CREATE SCHEMA IF NOT EXISTS fds")
        for table, now in (("models", built), ("snapshots", history)):
            connection.execute(f"CREATE OR REPLACE TABLE fds.{table} (schema_name VARCHAR, name VARCHAR)")
            if now:
                connection.executemany(f"INSERT INTO fds.{table} VALUES (?, ?)", sorted(now))
        connection.execute("COMMIT")


def _respell(connection: duckdb.DuckDBPyConnection, present: Sequence[_Present], relations: Iterable[Relation]) -> None:
    """Rename tables and views whose names differ only in case from `relations`, because dbt refuses to replace them."""
    now = {(schema.lower(), name.lower()): name for schema, name in relations}
    for found in present:
        wanted = now.get(found.relation, found.name)
        if wanted != found.name:
            connection.execute(f"ALTER {found.sql} RENAME TO {quoted(wanted)}")


def _refuse_lost_history(
    connection: duckdb.DuckDBPyConnection, present: Sequence[_Present], models: Iterable[Relation]
) -> None:
    """Refuse models and seeds that have the name of an earlier run's snapshot, because dbt would replace its table."""
    lost = sorted(_lower(models) & _stored(connection, "snapshots") & {found.relation for found in present})
    if lost:
        name = ".".join(lost[0])
        raise CheckFailedError(
            f"{name} is now a model or a seed, but its table has the history of a snapshot, which would be lost",
            where="transform",
            next_command="give the model another name, or drop the table in an on-run-start hook of a run without it",
        )


def _drop_replaced_views(
    connection: duckdb.DuckDBPyConnection, present: Sequence[_Present], tables: Iterable[Relation]
) -> None:
    """Drop views that have the name of a seed or snapshot in `tables`; dbt refuses to replace a view with a table."""
    wanted = _lower(tables)
    for found in present:
        if found.kind == "VIEW" and found.relation in wanted:
            connection.execute(f"DROP {found.sql}")


def _present(connection: duckdb.DuckDBPyConnection) -> list[_Present]:
    """Return all tables and views of the database."""
    rows = connection.execute(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        "WHERE table_catalog = current_database()"
    ).fetchall()
    return [_Present(schema, name, "VIEW" if kind == "VIEW" else "TABLE") for schema, name, kind in rows]


def _stored(connection: duckdb.DuckDBPyConnection, table: str) -> set[Relation]:
    """Return the relations that an earlier run stored in a table of the schema `fds`."""
    if not connection.execute(HAS_TABLE, [table]).fetchone():
        return set()
    return set(connection.execute(f"SELECT schema_name, name FROM fds.{table}").fetchall())


def _lower(relations: Iterable[Relation]) -> set[Relation]:
    return {(schema.lower(), name.lower()) for schema, name in relations}
