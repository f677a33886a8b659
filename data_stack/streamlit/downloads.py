"""Save the rows of a selection as CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import streamlit as st

from data_stack.streamlit.marts import Selection
from data_stack.streamlit.warehouse import Cursor, export

MAX_CELLS = 5_000_000
"""Maximum number of values in a file. A file is kept in memory until it is sent; the container has 512 MiB."""
SORTED_ROWS = 100_000
"""A selection with more rows than this is saved unsorted, because sorting it may need more memory than the 128 MB that
a query may use."""
_BATCH_ROWS = 20_000


def buttons(selection: Selection, count: int) -> None:
    """Show the buttons that save the first `max_rows` rows of `selection`, including rows that the page does not show.

    Args:
        count: number of rows of the selection.
    """
    if unsorted := selection.order is not None and count > SORTED_ROWS:
        selection = replace(selection, order=None)
    row = st.container(horizontal=True)
    for kind, media, write in (("CSV", "text/csv", as_csv), ("Parquet", "application/vnd.apache.parquet", as_parquet)):
        row.download_button(
            f"Save as {kind}",
            partial(write, selection),
            file_name=f"{selection.mart}.{kind.lower()}",
            mime=media,
            key=f"save {selection.mart} {kind}",
            on_click="ignore",
            disabled=not count,
        )
    if count > max_rows(selection):
        st.caption(f"A file has the first {max_rows(selection):,} of {count:,} rows. Filter the rows to get others.")
    if unsorted:
        st.caption(f"Files with more than {SORTED_ROWS:,} rows are not sorted.")


def max_rows(selection: Selection) -> int:
    """Return the maximum number of rows of a file that has the columns of `selection`."""
    return MAX_CELLS // len(selection.columns)


def as_csv(selection: Selection) -> bytes:
    """Return the first `max_rows` rows of `selection` as CSV in UTF-8; formulas get an apostrophe in front."""

    def write(cursor: Cursor) -> bytes:
        batches = iter(lambda: cursor.fetchmany(_BATCH_ROWS), [])
        return csv_of([column.name for column in selection.columns], (row for batch in batches for row in batch))

    return export(*selection.query(max_rows(selection)), write)


def csv_of(titles: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV in UTF-8; text that begins like a formula gets an apostrophe in front."""
    out = io.BytesIO()
    lines = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(lines)
    writer.writerow([_safe(title) for title in titles])
    writer.writerows([_safe(value) for value in row] for row in rows)
    return out.getvalue()


def as_parquet(selection: Selection) -> bytes:
    """Return the first `max_rows` rows of `selection` as a Parquet file.

    Columns keep the mart's types. Only types that Parquet lacks are converted, to decimal, text or JSON.
    """

    def write(cursor: Cursor) -> bytes:
        out = io.BytesIO()
        batches = cursor.to_arrow_reader(_BATCH_ROWS)
        with parquet.ParquetWriter(out, batches.schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
        return out.getvalue()

    return export(*selection.query(max_rows(selection), exact=True), write)


def _safe(value: Any) -> Any:
    """Return a value as a CSV cell. Nested values become JSON, in which decimals are texts.

    Text that begins like a formula, even after white space, gets an apostrophe in front, because a spreadsheet would
    execute it.
    """
    if isinstance(value, Decimal):
        return format(value, "f")  # str() writes a small number with an exponent, such as 0E-18 for zero
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and (value.lstrip()[:1] in ("=", "+", "-", "@") or value[:1] in ("\t", "\r", "\n")):
        return f"'{value}"
    return value
