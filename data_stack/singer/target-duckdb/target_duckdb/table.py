"""Create, widen and load one table, with one transaction per load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from target_duckdb.errors import TargetError, of_duckdb
from target_duckdb.rows import position_name
from target_duckdb.types import is_number, merged, scale_of


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Load:
    """Rows to load.

    `source` is a query that returns `columns`, and a column with the position of each row in the input. Of several rows
    with the same `keys`, `Table.upsert` loads only the row with the highest position. `kinds` are the types of the
    table's columns, as `Table.fit` returns them. `distinct` is True if it is already known that no key is null or
    occurs twice. `lasting` is True if `source` can be read until the process ends.
    """

    source: str
    columns: Mapping[str, str]
    keys: Sequence[str]
    kinds: Mapping[str, str]
    distinct: bool = False
    lasting: bool = False

    @property
    def position(self) -> str:
        """The column of `source` that has each row's position."""
        return position_name(self.columns)


class Table:
    """A table of a DuckDB file. Comparisons of names ignore case, as in DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
        self._con, self._schema, self.name = connection, schema, name
        self.sql = f"{identifier(schema)}.{identifier(name)}"
        self._seen = f"temp.{identifier(f'keys of {name}')}"
        self._first: str | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction; after an error, roll back and close the connection.

        Raises:
            TargetError: a statement failed; nothing was changed.
        """
        self._con.execute("BEGIN")
        try:
            yield
            self._con.execute("COMMIT")
        except BaseException as error:
            self._con.close()  # rolls back; the file keeps the last commit
            if isinstance(error, duckdb.Error):
                raise of_duckdb(error, f"loading {self.name}") from None
            raise

    def columns(self) -> dict[str, str]:
        """Return names and types of the columns; empty if the table does not exist."""
        rows = self._con.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
            "AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
            [self._schema, self.name],
        ).fetchall()
        return dict(rows)

    def drop(self) -> None:
        self._con.execute(f"DROP TABLE IF EXISTS {self.sql}")

    def rename(self, name: str) -> None:
        self._con.execute(f"ALTER TABLE {self.sql} RENAME TO {identifier(name)}")

    def fit(self, columns: Mapping[str, str], source: str | None) -> dict[str, str]:
        """Create the table, or add and widen its columns, so that it can hold every row of `source` without loss.

        Returns: the resulting types of all columns of the table, by their names in lower case.
        """
        present = {name.lower(): (name, kind) for name, kind in self.columns().items()}
        if not present:
            self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(self._schema)}")
            typed = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
            self._con.execute(f"CREATE TABLE {self.sql} ({typed})")
            return {name.lower(): kind for name, kind in columns.items()}
        for name, kind in columns.items():
            if name.lower() not in present:
                self._con.execute(f"ALTER TABLE {self.sql} ADD COLUMN {identifier(name)} {kind}")
                present[name.lower()] = name, kind
                continue
            column, old = present[name.lower()]
            if (wide := self._wide(column, old, name, kind, source)) != old:
                self._con.execute(f"ALTER TABLE {self.sql} ALTER COLUMN {identifier(column)} TYPE {wide}")
                present[name.lower()] = column, wide
        return {name: kind for name, (_, kind) in present.items()}

    def narrow(self, columns: Mapping[str, str]) -> None:
        """Convert text columns to the type in `columns` if each value is the exact text of a value of that type.

        Therefore, a column whose type is declared later gets this type once all rows have been loaded again.
        """
        present = {name.lower(): (name, kind) for name, kind in self.columns().items()}
        for given, kind in columns.items():
            column, old = present[given.lower()]
            name = identifier(column)
            if old != "VARCHAR" or kind in ("VARCHAR", "JSON"):
                continue
            other = f"CAST(TRY_CAST({name} AS {kind}) AS VARCHAR) IS DISTINCT FROM {name}"
            if not self._count(f"SELECT count(*) FROM (SELECT 1 FROM {self.sql} WHERE {other} LIMIT 1)"):
                self._con.execute(f"ALTER TABLE {self.sql} ALTER COLUMN {name} TYPE {kind}")

    def check_keys(self, keys: Sequence[str]) -> None:
        """Check that the table has the columns of these keys; a table without rows may lack them.

        Raises:
            TargetError: the table has rows but lacks one of the columns.
        """
        present = {name.lower() for name in self.columns()}
        lacking = [key for key in keys if key.lower() not in present]
        if present and lacking and self._count(f"SELECT count(*) FROM {self.sql}"):
            raise self._other_keys(lacking)

    def _other_keys(self, keys: Sequence[str]) -> TargetError:
        return TargetError(
            f"the rows of {self.name} were loaded without the key {', '.join(keys)}, so the same rows would be added a "
            "second time; declare the former key, or load the rows into a table with another name or schema"
        )

    def append(self, load: Load) -> int:
        """Append all rows. Returns: their number."""
        return self._insert(load, load.source)

    def upsert(self, load: Load) -> tuple[int, int]:
        """Write the load's last row of each key: replace the table's row that has this key, or append if there is none.

        Returns: two numbers. The first counts the written rows whose key was in no earlier load of this `Table` object.
            The second counts the replaced rows: rows of this load before another row with the same key, and rows of
            those earlier loads.

        Raises:
            TargetError: a key is null, or the table has several rows with the same key.
        """
        superseded, source = (0, load.source) if load.distinct else self._last_of_each_key(load)
        is_empty = not self._count(f"SELECT count(*) FROM (SELECT 1 FROM {self.sql} LIMIT 1)")
        again = self._count_again(load, source)
        written = self._insert(load, source) if is_empty else self._merge(load, source)
        return written - again, superseded + again

    def _count_again(self, load: Load, source: str) -> int:
        """Return how many keys of `source` were also in earlier loads of this object, and remember all keys.

        The keys of the first load are copied only when a second load follows, or at once if the first is not `lasting`.
        """
        texts = ", ".join(f"CAST({identifier(key)} AS VARCHAR) AS k{at}" for at, key in enumerate(load.keys))
        names, again = ", ".join(f"k{at}" for at in range(len(load.keys))), 0
        if self._first is None:
            self._first = f"SELECT DISTINCT {texts} FROM {load.source}"
        else:
            self._keep_first()
            keys = f"(SELECT {texts} FROM {source})"
            again = self._count(f"SELECT count(*) FROM {keys} SEMI JOIN {self._seen} USING ({names})")
            self._con.execute(f"INSERT INTO {self._seen} SELECT * FROM {keys} ANTI JOIN {self._seen} USING ({names})")
        if not load.lasting:
            self._keep_first()
        return again

    def _keep_first(self) -> None:
        """Copy the keys of the first load into the temporary table `_seen`."""
        if self._first:
            self._con.execute(f"CREATE TEMP TABLE {self._seen.removeprefix('temp.')} AS {self._first}")
            self._first = ""

    def _last_of_each_key(self, load: Load) -> tuple[int, str]:
        """Return how many rows of the load precede another row with an equal key, and SQL for the other rows.

        Raises:
            TargetError: a key is null.
        """
        keys = ", ".join(identifier(key) for key in load.keys)
        empty_key = " OR ".join(f"{identifier(key)} IS NULL" for key in load.keys)
        if self._count(f"SELECT count(*) FROM {load.source} WHERE {empty_key}"):
            raise TargetError(f"stream {self.name!r} has a record whose key ({', '.join(load.keys)}) is null")
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT {keys}, max({load.position}) AS the_last, "
            f"count(*) AS times FROM {load.source} GROUP BY {keys} HAVING count(*) > 1"
        )
        superseded = self._count("SELECT coalesce(sum(times - 1), 0) FROM temp.repeated")
        last = f"coalesce(r.the_last = s.{load.position}, true)"
        some = f"(SELECT s.* FROM {load.source} s LEFT JOIN temp.repeated r USING ({keys}) WHERE {last})"
        return superseded, some if superseded else load.source

    def _insert(self, load: Load, source: str) -> int:
        names = ", ".join(identifier(name) for name in load.columns)
        return self._count(f"INSERT INTO {self.sql} ({names}) SELECT {names} FROM {source}")

    def _merge(self, load: Load, source: str) -> int:
        names = [identifier(name) for name in load.columns]
        # Cast the new keys to the types of the table, which may be wider. Otherwise DuckDB would cast texts of the
        # table to numbers.
        match = " AND ".join(
            f"t.{identifier(key)} = CAST(s.{identifier(key)} AS {load.kinds[key.lower()]})" for key in load.keys
        )
        present = {name.lower() for name in load.columns}
        change = ", ".join(
            [f"{name} = s.{name}" for name in names]
            + [f"{identifier(name)} = NULL" for name in load.kinds if name not in present]  # not in this load
        )
        values = ", ".join(f"s.{name}" for name in names)
        written = self._count(
            f"MERGE INTO {self.sql} t USING {source} s ON ({match}) WHEN MATCHED THEN UPDATE SET {change} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({values})"
        )
        if written > self._count(f"SELECT count(*) FROM {source}"):  # the table has several rows with the same key
            raise self._other_keys(load.keys)
        return written

    def _wide(self, column: str, old: str, name: str, kind: str, source: str | None) -> str:
        """Return a type that holds the values of the table's column (type `old`) and of the source's column (`kind`).

        The values of numeric columns are checked, because they may fit a narrower type than their two types require.
        """
        if old == kind or (is_number(old) and is_number(kind) and self._exact(source, name, kind, old)):
            return old
        wide = merged(old, kind)
        if wide == "VARCHAR" and is_number(old) and is_number(kind):
            # No decimal type holds all possible values of both types. Try the largest one with enough decimal places,
            # because it may hold the values that the two columns really have.
            wide = f"DECIMAL(38,{max(scale_of(old), scale_of(kind))})"
        elif wide != "DOUBLE":
            return wide
        exact = self._exact(self.sql, column, old, wide) and self._exact(source, name, kind, wide)
        return wide if exact else "VARCHAR"

    def _exact(self, source: str | None, column: str, kind: str, into: str) -> bool:
        """Return whether all values of a numeric column convert to another numeric type without loss."""
        name = identifier(column)
        back = f"TRY_CAST(TRY_CAST({name} AS {into}) AS {kind})"
        return source is None or not self._count(f"SELECT count(*) FROM {source} WHERE {back} IS DISTINCT FROM {name}")

    def _count(self, query: str) -> int:
        """Return the single number that a query returns, or the number of rows that a statement wrote."""
        row = self._con.execute(query).fetchone()
        return int(row[0]) if row else 0
