"""Record in PostgreSQL which objects were created in Metabase, and list the published marts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from stack_runtime.errors import LockedError, UnreachableError
from stack_runtime.metabase.content import Card
from stack_runtime.pipeline.marts import SCHEMA
from stack_runtime.pipeline.postgres_config import PostgresConfig

ADVISORY_KEY = 0x6664736D
"""Key of the advisory lock in PostgreSQL: the bytes of "fdsm", which other programs are unlikely to use."""

_TABLE = "CREATE TABLE IF NOT EXISTS ops.metabase (key TEXT PRIMARY KEY, id BIGINT NOT NULL)"
_MARTS = """SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' AND relowner = current_user::regrole ORDER BY relname"""


class Ledger:
    """The ids of the objects that were created in Metabase, by key; each method call is one transaction.

    The table `ops.metabase` is in the same PostgreSQL as Metabase's own database, so a backup, restore or loss of
    PostgreSQL always affects both.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("CREATE SCHEMA IF NOT EXISTS ops")
        connection.execute(_TABLE)

    def find(self, key: str) -> int | None:
        """Return the id that is recorded for `key`; None if no id is recorded."""
        row = self._connection.execute("SELECT id FROM ops.metabase WHERE key = %s", (key,)).fetchone()
        return int(row[0]) if row else None

    def record(self, key: str, made: int) -> None:
        """Record the id `made` of the object for `key`; if an id is already recorded for `key`, change nothing."""
        self._connection.execute("INSERT INTO ops.metabase VALUES (%s, %s) ON CONFLICT DO NOTHING", (key, made))

    def clear(self) -> None:
        """Delete all records; call this for a new Metabase, which has none of the recorded objects."""
        self._connection.execute("DELETE FROM ops.metabase")

    def marts(self) -> list[str]:
        """Return the names of the published marts."""
        return [name for (name,) in self._connection.execute(_MARTS, (SCHEMA,)).fetchall()]

    def problem(self, card: Card) -> str:
        """Return why the query of `card` cannot run, or which columns its result lacks; empty if the query is valid.

        PostgreSQL checks the query without reading rows.
        """
        if "{{" in card.sql or "[[" in card.sql:
            return "has {{ or [[, which Metabase would replace"
        try:
            with self._connection.transaction(force_rollback=True):
                self._connection.execute("SET TRANSACTION READ ONLY")
                query = f"SELECT * FROM ({card.sql}) AS card LIMIT 0".encode()
                # PostgreSQL does not prepare a text with two statements, of which the second could write.
                columns = self._connection.execute(query, prepare=True).description or ()
        except psycopg.Error as error:
            return f"cannot run: {str(error).splitlines()[0][:200]}"
        lacking = sorted({*card.x, *card.y} - {column.name for column in columns})
        return f"has no column {', '.join(lacking)}" if lacking else ""


@contextmanager
def open_ledger(postgres: PostgresConfig) -> Iterator[Ledger]:
    """Yield the ledger; until the block ends, no other process can open it.

    Raises:
        LockedError: another process fills Metabase.
        UnreachableError: PostgreSQL does not answer, or refuses a statement of the ledger.
    """
    with postgres.connect("fds metabase", autocommit=True) as connection:
        try:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_KEY,)).fetchone()
            if row is None or not row[0]:
                raise LockedError("Metabase is being filled by another run", next_command="wait for it")
            yield Ledger(connection)
        except psycopg.Error as error:
            why = str(error).strip().partition("\n")[0]
            raise UnreachableError(
                f"PostgreSQL cannot record Metabase's objects: {why}",
                where=f"{postgres.host}:{postgres.port}",
                next_command="fds status",
            ) from None
