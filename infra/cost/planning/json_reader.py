"""Read values from untrusted JSON: an invalid or missing value raises `UnknownError`, and never counts as zero."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from stack_runtime.errors import UnknownError

MOST = Decimal(1_000_000)
"""Largest valid decimal number; all prices, sizes and percentages are far below it."""
MOST_BYTES = 4 * 2**20
"""Limit in bytes for one response or file. All server types together take about 200 KB."""
_MOST_ENTRIES = 1000
_LONGEST = 40
_MOST_DIGITS = 28
"""Largest number of significant digits of a decimal, as many as Python's default context keeps exactly."""
_MOST_WHOLE = 10**18


class _NotStrictError(ValueError):
    """Error for what Python's parser accepts, but `decode` refuses: a duplicate member name, `NaN`, `Infinity`."""


def decode(data: bytes, what: str, source: str) -> Any:
    """Parse a JSON document strictly: no duplicate member names, no `NaN`, no `Infinity`.

    Python's parser keeps the last of two members with the same name, and accepts `NaN` and `Infinity`.

    Args:
        what: the document's name, for the error.

    Raises:
        UnknownError: the document is larger than `MOST_BYTES`, or is not strict JSON in UTF-8 without a byte order
            mark.
    """
    document = JsonReader(None, what, source)
    if len(data) > MOST_BYTES:
        raise document.fail(f"is larger than {MOST_BYTES // 2**20} MiB")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
    except _NotStrictError as error:
        raise document.fail(str(error)) from None
    except (ValueError, RecursionError):
        raise document.fail("is not JSON") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _NotStrictError(f"has {twice[:60]!r} twice in one object")
    return found


def _constant(name: str) -> Any:
    raise _NotStrictError(f"has the number {name}")


class JsonReader:
    """One JSON value, and its path in the document for error messages."""

    def __init__(self, value: Any, path: str, source: str) -> None:
        self._value = value
        self._path = path
        self._source = source

    @property
    def value(self) -> Any:
        """Return the unchecked value, for callers that check it themselves."""
        return self._value

    def fail(self, what: str) -> UnknownError:
        """Return an error whose text is the path of this value and then `what`, for example `is not a list`."""
        return UnknownError(
            f"{self._path} {what}", where=self._source, next_command="ask again, or plan with --prices DIR"
        )

    def get(self, key: str) -> JsonReader:
        """Return the member `key` of an object; a missing member is an error."""
        if key not in self.checked_object().value:
            raise JsonReader(None, f"{self._path}.{key}", self._source).fail("is missing")
        return JsonReader(self._value[key], f"{self._path}.{key}", self._source)

    def has(self, key: str) -> bool:
        """Return whether the member `key` exists and is not null."""
        return isinstance(self._value, Mapping) and self._value.get(key) is not None

    def checked_object(self) -> JsonReader:
        """Return this reader if its value is an object; else raise an error."""
        if not isinstance(self._value, Mapping):
            raise self.fail("is not an object")
        return self

    def items(self) -> Iterator[JsonReader]:
        """Yield the entries of a list; a value that is not a list, or too long a list, is an error."""
        if not isinstance(self._value, list):
            raise self.fail("is not a list")
        if len(self._value) > _MOST_ENTRIES:
            raise self.fail(f"has more than {_MOST_ENTRIES:,} entries")
        for index, value in enumerate(self._value):
            yield JsonReader(value, f"{self._path}[{index}]", self._source)

    def by(self, key: str) -> Iterator[tuple[str, JsonReader]]:
        """Yield the entries of a list, each with its name from the member `key`; a duplicate name is an error."""
        seen: set[str] = set()
        for entry in self.items():
            name = entry.get(key).text()
            if name in seen:
                raise entry.get(key).fail(f"has {name} twice in one list")
            seen.add(name)
            yield name, entry

    def text(self) -> str:
        """Return this value if it is a string of 1 to 200 printable characters, such as a name; else raise an error."""
        if not isinstance(self._value, str) or not self._value or len(self._value) > 200:
            raise self.fail("is not a name")
        if not self._value.isprintable():
            raise self.fail("has unprintable characters")
        return self._value

    def flag(self) -> bool:
        """Return this value if it is a JSON boolean; else raise an error."""
        if not isinstance(self._value, bool):
            raise self.fail("is neither true nor false")
        return self._value

    def whole(self, *, least: int, most: int = _MOST_WHOLE) -> int:
        """Return a JSON integer from `least` to `most`."""
        value: object = self._value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fail(f"is not a whole number from {least:,} to {most:,}")
        return value

    def size(self) -> Decimal:
        """Return a JSON number above 0. The API gives sizes as numbers, but money as decimal strings."""
        if isinstance(self._value, bool) or not isinstance(self._value, (int, float)):
            raise self.fail("is not a number")
        return self._in_range(Decimal(str(self._value)), above_zero=True)

    def decimal(self, *, above_zero: bool) -> Decimal:
        """Return a number from a decimal string: digits with at most one point, no sign, no exponent."""
        value = self._value
        plain = isinstance(value, str) and len(value) <= _LONGEST and value.isascii()
        if not plain or not value.replace(".", "", 1).isdigit():
            raise self.fail("is not a decimal string")
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.fail("is not a decimal string") from None
        if len(value.replace(".", "").strip("0")) > _MOST_DIGITS:
            raise self.fail(f"has more than {_MOST_DIGITS} digits")
        return self._in_range(number, above_zero=above_zero)

    def day(self) -> date:
        """Return the date from a string in ISO format, with or without a time of day."""
        try:
            return datetime.fromisoformat(self.text()).date()
        except ValueError:
            raise self.fail("is not a date") from None

    def _in_range(self, value: Decimal, *, above_zero: bool) -> Decimal:
        if not value.is_finite() or value < 0 or value > MOST:
            raise self.fail("is out of range")
        if above_zero and value == 0:
            raise self.fail("is zero, but must be above zero")
        return value
