"""Find records in which a stray quote joins rows: it opens a field by mistake, so the next quote closes it much later.

Such a record can have the right number of fields. It then has the first fields of one row and the last of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tap_csv.dates import pattern
from tap_csv.files import Text
from tap_csv.footer import day_positions, number_positions
from tap_csv.settings import Entity
from tap_csv.sql import literal

_LEAST = 3
"""If at least this number of lines in a quoted field, and at least half of its lines, look like rows, then its opening
quote is a stray quote."""
_LEAST_OF_PAIRS = 20
"""`_LEAST` for files with two columns. It is higher, because a line of text with one comma looks like a row."""
_MOST_TYPED = 20
"""Maximum number of fields with days or numbers that are compared; further fields are ignored."""
_LONGEST = 40
"""Maximum number of characters of a day or a number."""


@dataclass(frozen=True)
class RowShape:
    """How the rows of a file look. `typed` maps the positions of days and numbers to regular expressions.

    Both Python's `re` and RE2 accept the expressions; RE2 finds more matches. `keys` are the positions of the keys.
    """

    width: int
    delimiter: str
    quote: str
    typed: Mapping[int, str]
    keys: Sequence[int]
    null_words: Sequence[str]

    @property
    def least(self) -> int:
        """Return the number of lines in a quoted field that must look like rows."""
        return _LEAST if self.width > 2 else _LEAST_OF_PAIRS


def row_shape(text: Text, entity: Entity) -> RowShape:
    form = entity.format
    signs = "".join(f"|{re.escape(sign)}" for sign in form.numbers.currency_signs if any(map(str.isalpha, sign)))
    other = rf"(?:[\W\d]{signs})*"
    number = rf"{other}[0-9](?:[\W\d]|[eE][+-]?[0-9]{signs})*"
    day = rf"\s*(?:{'|'.join(map(pattern, form.dates.formats))})\s*"
    typed = dict.fromkeys(day_positions(text, entity), day) | dict.fromkeys(number_positions(text, entity), number)
    keys = [at for at, name in enumerate(text.columns) if name in entity.keys]
    first = dict(sorted(typed.items())[:_MOST_TYPED])
    return RowShape(len(text.columns), text.delimiter, text.quote, first, keys, form.null_words)


def joined_rows(data: str, fields: Sequence[str], shape: RowShape) -> int:
    """Return how many lines of a record look like rows of the file; 0 if there are too few to be sure.

    Args:
        data: the text of the record, with its quotes.
        fields: the fields of the record.
    """
    if shape.width < 2 or not ("\n" in data or "\r" in data):
        return 0
    for field in fields:
        inner = field.split("\n")[1:-1]
        rows = sum(line.count(shape.delimiter) == shape.width - 1 for line in inner)
        if rows >= shape.least and rows * 2 >= len(inner):
            return rows
    return _all_lines(data, shape) if shape.typed else 0


def _all_lines(data: str, shape: RowShape) -> int:
    """Return the number of lines of a record if each of them looks like a row, by its fields with days and numbers."""
    lines = [line for line in re.split(r"\r\n|\r|\n", data) if line.strip()]
    if len(lines) < 2 or any(line.count(shape.delimiter) != shape.width - 1 for line in lines):
        return 0
    rows = [[field.strip(shape.quote) for field in line.split(shape.delimiter)] for line in lines]
    columns = {at: [row[at] for row in rows if _is_filled(row[at], shape)] for at in shape.typed}
    if not all(any(_is_filled(row[at], shape) for at in shape.typed) for row in rows):
        return 0
    for at, values in columns.items():
        if not all(len(value) <= _LONGEST and re.fullmatch(shape.typed[at], value) for value in values):
            return 0
        # In a text, a blank follows the comma, as in `Street, 12`. In a table, a blank aligns the values at most.
        if len({value[0].isspace() for value in values}) > 1 and len(set(map(len, values))) > 1:
            return 0
    keys = ((rows[0][at].strip(), row[at].strip()) for at in shape.keys for row in rows[1:])
    return len(rows) if all(_are_alike(*pair) for pair in keys) else 0


def _is_filled(field: str, shape: RowShape) -> bool:
    return bool(field.strip()) and field.strip() not in shape.null_words


def _are_alike(key: str, other: str) -> bool:
    """Return whether both texts can be keys of one file.

    The second must have digits if the first has, and must have no letters or blanks if the first has none.
    """
    if any(map(str.isdigit, key)) and not any(map(str.isdigit, other)):
        return False
    return all(any(map(test, key)) or not any(map(test, other)) for test in (str.isalpha, str.isspace))


def may_join_rows(shape: RowShape) -> str:
    """Return an SQL condition that is true for each record with `joined_rows`, and for a few others."""
    if shape.width < 2:
        return "false"
    names, one = [f"c{at}" for at in range(shape.width)], literal(shape.delimiter)
    # Count the delimiters in the fields first, because that is faster than to split the fields into lines.
    inside = " + ".join(
        f"CASE WHEN contains({name}, {one}) THEN strlen({name}) - strlen(replace({name}, {one}, '')) ELSE 0 END"
        for name in names
    )
    broken = " OR ".join(f"contains({name}, chr(10))" for name in names)
    is_row = f"strlen(x) - strlen(replace(x, {one}, '')) = {shape.width - 1}"
    tests = []
    for name in names:
        lines = f"string_split({name}, chr(10))"
        like = f"len(list_filter({lines}[2:-2], x -> {is_row}))"
        rows = f"{like} >= {shape.least} AND {like} * 2 >= len({lines}) - 2"
        tests.append(f"(CASE WHEN contains({name}, chr(10)) THEN {rows} ELSE false END)")
    if shape.typed:
        record = f" || {one} || ".join(f"coalesce({name}, '')" for name in names)
        filled = "trim(x, ' ' || chr(9) || chr(13)) <> ''"
        others = f"list_filter(string_split({record}, chr(10)), x -> {filled} AND NOT ({is_row} AND {_typed(shape)}))"
        tests.append(f"len({others}) = 0")
    few = f"{inside} < {shape.width - 1}"
    return f"(CASE WHEN NOT coalesce({broken}, false) OR {few} THEN false ELSE {' OR '.join(tests)} END)"


def _typed(shape: RowShape) -> str:
    """Return an SQL condition for a line `x`: its fields with days and numbers look like such values."""
    tests = []
    for at, expression in shape.typed.items():
        field = f"string_split(x, {literal(shape.delimiter)})[{at + 1}]"
        nothing = ", ".join(map(literal, ("", *shape.null_words)))
        tests.append(f"(trim({field}) IN ({nothing}) OR regexp_full_match({field}, {literal(expression)}))")
    return f"({' AND '.join(tests)})"
