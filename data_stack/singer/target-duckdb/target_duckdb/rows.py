"""Convert single records to one Arrow table with exact types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from singer_sdk.singerlib.json import serialize_json

from target_duckdb.errors import TargetError

_ARROW = {
    "BOOLEAN": pa.bool_(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"), "TIME": pa.time64("us"),
}  # fmt: skip


def position_name(columns: Iterable[str]) -> str:
    """Return a name for the column with the position of each row in the load; no other column has this name."""
    name, taken = "position", {column.lower() for column in columns}
    while name in taken:
        name += "_"
    return name


def arrow_table(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """Return an Arrow table with the columns of the schema and each record's position; missing values are NULL.

    Raises:
        TargetError: a value does not have the type of its column.
    """
    arrays = [_array(records, name, kind) for name, kind in columns.items()]
    position = pa.array(range(len(records)), pa.int64())
    return pa.Table.from_arrays([*arrays, position], names=[*columns, position_name(columns)])


def ascending(path: str, column: str) -> bool:
    """Return whether the texts of a Parquet column are strictly ascending, without nulls.

    Shorter texts come before longer ones, which is the order of numbers and numbered ids. The ids of most files are in
    this order, and this check is much faster than a search for duplicates.
    """
    last = None
    for batch in pq.ParquetFile(path).iter_batches(batch_size=100_000, columns=[column]):
        values = batch.column(0)
        if values.null_count or (last is not None and len(values) and not _before(last, values[0])):
            return False
        lengths = pc.binary_length(values)
        longer, same = pc.greater(lengths[1:], lengths[:-1]), pc.equal(lengths[1:], lengths[:-1])
        ordered = pc.or_(longer, pc.and_(same, pc.greater(values[1:], values[:-1])))
        if not pc.all(ordered, min_count=0).as_py():
            return False
        last = values[-1] if len(values) else last
    return True


def _before(one: pa.Scalar, other: pa.Scalar) -> bool:
    first, second = (value.as_py().encode() for value in (one, other))
    return (len(first), first) < (len(second), second)


def _array(records: Sequence[Mapping[str, Any]], name: str, kind: str) -> pa.Array:
    convert = _converter(kind)
    values = [record.get(name) for record in records]
    try:
        return pa.array([None if value is None else convert(value) for value in values], _arrow(kind))
    except (pa.ArrowException, ValueError, TypeError, ArithmeticError, OverflowError) as error:
        raise TargetError(f"column {name!r} has a value that is not of type {kind}: {error}") from None


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("DECIMAL"):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _ARROW.get(kind, pa.string())


def _converter(kind: str) -> Callable[[Any], Any]:
    if kind.startswith("DECIMAL"):
        return lambda value: Decimal(str(value))
    converters: dict[str, Callable[[Any], Any]] = {
        "BOOLEAN": bool, "BIGINT": _whole, "DOUBLE": float, "JSON": serialize_json, "VARCHAR": _text,
        "DATE": _date, "TIMESTAMP": _moment, "TIME": _time,
    }  # fmt: skip
    return converters[kind]


def _whole(value: Any) -> int:
    if int(value) != value:
        raise ValueError(f"{value} is not whole")
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date | time) else json.dumps(value, default=str)


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value[:10])


def _time(value: Any) -> time:
    return value if isinstance(value, time) else time.fromisoformat(value)


def _moment(value: Any) -> datetime:
    """Convert to a datetime without offset; a time with an offset is converted to UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
