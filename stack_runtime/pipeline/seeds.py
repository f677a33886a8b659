"""Refuse seeds whose files have values that dbt changes, such as `007`, which becomes the number 7."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.marts import quoted

csv.field_size_limit(sys.maxsize)

_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?")
_OFFSET = re.compile(r".*[+-][0-9]{2}(:?[0-9]{2})?")
_EXACT_DIGITS = 15
"""Number of significant digits up to which a DOUBLE keeps every decimal number."""


def refuse_changed_values(database: Path, seeds: Iterable[Any]) -> None:
    """Check that dbt loaded the values of the seeds' files unchanged; columns with a declared type are not checked.

    Args:
        database: database into which dbt has loaded the seeds.
        seeds: nodes of the seeds in dbt's manifest.

    Raises:
        CheckFailedError: a value is not loaded as it is in the file.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        for seed in seeds:
            declared = {name.lower() for name in seed.config.column_types}
            found = connection.execute(f"DESCRIBE {quoted(seed.schema)}.{quoted(seed.alias)}").fetchall()
            chosen = {column: kind for column, kind, *_ in found if column.lower() not in declared}
            for line, column, text in _values(
                Path(seed.root_path or "") / seed.original_file_path, seed.config.delimiter
            ):
                if column in chosen and is_changed(text, chosen[column]):
                    raise CheckFailedError(
                        f"seed {seed.name}: dbt loads column {column} as {chosen[column]}, which changes the value "
                        f"{text[:40]!r} in line {line}",
                        where=str(seed.original_file_path),
                        next_command=f"declare its type in the config of the seed: column_types: {{{column}: varchar}}",
                    )


def is_changed(text: str, kind: str) -> bool:
    """Return whether dbt may change the value `text` of a seed's file by loading it as the DuckDB type `kind`."""
    text = text.strip()
    if kind in ("INTEGER", "BIGINT"):
        return not _WHOLE.fullmatch(text)
    if kind == "DOUBLE":
        return not _NUMBER.fullmatch(text) or len(re.sub("[^0-9]", "", text).lstrip("0")) > _EXACT_DIGITS
    return kind == "TIMESTAMP" and _OFFSET.fullmatch(text[10:]) is not None


def _values(file: Path, delimiter: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, column and text of each value that is not empty."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        names = [name.strip() for name in next(rows, [])]
        for row in rows:
            yield from ((rows.line_num, *pair) for pair in zip(names, row, strict=False) if pair[1].strip())
