"""List the marts of a database (tables and views of the schema `marts`) and export them to Parquet."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from stack_runtime.errors import CheckFailedError

SCHEMA = "marts"

_MARTS = """SELECT table_name, table_type FROM information_schema.tables
    WHERE table_catalog = ? AND table_schema = ? ORDER BY table_name"""
_COLUMNS = """SELECT column_name, data_type FROM duckdb_columns()
    WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index"""

_NOT_IN_PARQUET = re.compile("HUGEINT|INTERVAL|TIME WITH TIME ZONE|UNION")
"""Pattern of the types that Parquet does not have; finds them also inside types such as `STRUCT(a HUGEINT)`."""


@dataclass(frozen=True)
class Mart:
    """A mart: its name and its columns as `(name, DuckDB type)`."""

    name: str
    columns: tuple[tuple[str, str], ...]
    is_view: bool = False

    def sql(self, database: str | None = None) -> str:
        """Return the mart's quoted SQL name, including the name of the attached `database` if it is given."""
        return ".".join(quoted(part) for part in (database, SCHEMA, self.name) if part)


def find_marts(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> list[Mart]:
    """Return all marts sorted by name: those of the attached `database`, or of the current database if it is None."""
    current = connection.execute("SELECT current_database()").fetchone()
    assert current
    catalog = database or current[0]
    return [
        Mart(name, tuple(connection.execute(_COLUMNS, [catalog, SCHEMA, name]).fetchall()), kind == "VIEW")
        for name, kind in connection.execute(_MARTS, [catalog, SCHEMA]).fetchall()
    ]


def export_parquet(database: Path, folder: Path, run_id: str) -> Path:
    """Write each mart of `database` as `MART.parquet` into a new folder next to `folder`.

    Returns: the new folder, for `replace_export`.
    Raises:
        CheckFailedError: the name of a mart is not a valid file name, or a column cannot be exported.
    """
    # Give the folder a new name, because a repeated publication must not write into the export that readers use.
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.{run_id}.", dir=folder.parent))
    new.chmod(0o755)
    with duckdb.connect(str(database), read_only=True) as connection:
        for mart in find_marts(connection):
            if "/" in mart.name or mart.name[0] == "." or len(mart.name.encode()) > 200:
                raise CheckFailedError(
                    f"mart {mart.name[:80]!r} cannot be a Parquet file",
                    where="publish",
                    next_command="rename the model",
                )
            path = literal(new / f"{mart.name}.parquet")
            columns = ", ".join(exact_column(*column) for column in mart.columns)
            try:
                connection.execute(
                    f"COPY (SELECT {columns} FROM {mart.sql()}) TO {path} (FORMAT parquet, COMPRESSION zstd)"
                )
            except duckdb.IOException:
                raise
            except duckdb.Error as error:
                reason = str(error).splitlines()[0][:200]
                raise CheckFailedError(
                    f"mart {mart.name} cannot be exported as Parquet: {reason}",
                    where="publish",
                    next_command="cast the column in the model",
                ) from None
    return new


def exact_column(column: str, kind: str) -> str:
    """Return the SQL expression to export a column without loss.

    A type that Parquet does not have is exported as a decimal, text or JSON. Without this conversion, DuckDB would
    write 128-bit integers as rounded floats and intervals as 32-bit milliseconds, and would convert times with an
    offset to UTC. For a value of a union, DuckDB would write only the number of its member.
    """
    name = quoted(column)
    if kind in ("HUGEINT", "UHUGEINT"):
        return f"CAST({name} AS DECIMAL(38, 0)) AS {name}"
    if kind in ("INTERVAL", "TIME WITH TIME ZONE"):
        return f"CAST({name} AS VARCHAR) AS {name}"
    return f"to_json({name}) AS {name}" if _NOT_IN_PARQUET.search(kind) else name


def replace_export(folder: Path, new: Path) -> None:
    """Point the symbolic link `folder` to `new` in one step, and remove all other exports."""
    link = folder.with_name(f".{folder.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    os.replace(link, folder)
    remove_exports(folder, but=new)


def remove_exports(folder: Path, but: Path | None = None) -> None:
    """Remove all exports next to the link `folder`, including exports of killed runs, except the link's target.

    Args:
        but: a second export to keep; None to keep only the link's target.
    """
    kept = {folder.resolve(), but}
    for old in folder.parent.glob(f".{folder.name}.*"):
        if old.is_dir() and not old.is_symlink() and old not in kept:
            shutil.rmtree(old, ignore_errors=True)


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(file: Path) -> str:
    """Return a path as a string literal for SQL, with quotes."""
    return "'" + str(file).replace("'", "''") + "'"
