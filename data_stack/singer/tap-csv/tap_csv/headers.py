"""Find the header of a file, which may be below other lines, and map its fields to columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tap_csv.errors import FileRefusedError
from tap_csv.formats import DELIMITERS
from tap_csv.mixed import utf8_text
from tap_csv.records import Records
from tap_csv.settings import Entity

SEARCHED_LINES = 100
SEARCHED_BYTES = 1 << 20
_COMPARED_ROWS = 100
"""Number of rows that decide between two delimiters with which the header has equally many fields."""
_MOST_SHOWN = 20
"""Maximum number of names in a message."""
SEP_LINE = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=([^\r\n])\"?[^\S\r\n]*(?:\r\n|\r|\n)", re.IGNORECASE)
"""Matches a first line such as `sep=;`, which names the delimiter."""


@dataclass(frozen=True)
class Header:
    """The header of a file: its field names, and the column of each field, which is None for a field without a name.

    `bytes` and `lines` count everything up to and including the line end of the header.
    """

    delimiter: str
    names: tuple[str, ...]
    columns: tuple[str | None, ...]
    bytes: int
    lines: int


def find_header(original: Path, path: Path, entity: Entity) -> Header:
    """Return the header: the first record if it names every required column, else the first line that does.

    Only the first `SEARCHED_LINES` lines are searched. If `skip_rows` is declared, the header is the first record after
    this number of lines.

    Raises:
        FileRefusedError: no line names every required column, or the header cannot be used.
    """
    with path.open("rb") as stream:
        start = stream.read(SEARCHED_BYTES)
    delimiters = (entity.format.delimiter,) if entity.format.delimiter else DELIMITERS
    offset, line = 0, 0
    if sep := SEP_LINE.match(start):
        offset, line = sep.end(), 1
        named = sep[1].decode("latin-1")
        delimiters = (named,) if named.isascii() and not entity.format.delimiter else delimiters
    if entity.format.skip_rows is not None:
        offset, line = _after_lines(start, entity.format.skip_rows, original)
    readings, errors = _first_record(path, original, entity, delimiters, offset, line)
    complete = [header for header in readings if _has_required(header, entity)]
    if not complete and entity.required and entity.format.skip_rows is None:
        complete = _search(start, entity, delimiters)
    if not complete and not readings:
        raise errors[0]
    best = _widest(complete or readings, path, original, entity)
    _check(best, original, entity)
    return best


def _widest(found: Sequence[Header], path: Path, original: Path, entity: Entity) -> Header:
    """Return the header with the most fields. Of equal ones with several fields, the first rows decide."""
    width = max(len(header.columns) for header in found)
    widest = [header for header in found if len(header.columns) == width]
    if len(widest) == 1 or width == 1:
        return widest[0]
    fitting = [_fitting(header, path, entity) for header in widest]
    best = [header for header, count in zip(widest, fitting, strict=True) if count == max(fitting)]
    if len(best) > 1:
        both = " and ".join(repr(header.delimiter) for header in best)
        raise FileRefusedError(
            f"{original}: the delimiters {both} divide the header and the rows equally well; "
            "declare the setting delimiter"
        )
    return best[0]


def _fitting(header: Header, path: Path, entity: Entity) -> int:
    """Return how many rows the delimiter of `header` divides well; the header itself and the first rows are tested.

    A well divided row has as many fields as the header, and no field contains a quote.
    """
    quote, width = entity.format.quote, len(header.columns)
    count = int(not any(quote in name for name in header.names))
    with path.open("rb") as stream:
        stream.seek(header.bytes)
        for raw in islice(Records(stream, header.delimiter, quote, entity.max_record_bytes), _COMPARED_ROWS):
            text = raw.data.decode("utf-8", "replace")
            try:
                fields = next(csv.reader([text], delimiter=header.delimiter, quotechar=quote, strict=True), [])
            except csv.Error:
                continue
            count += len(fields) == width and not any(quote in field for field in fields)
    return count


def _after_lines(start: bytes, count: int, original: Path) -> tuple[int, int]:
    ends = [match.end() for _, match in zip(range(count), re.finditer(rb"\r\n|\r|\n", start), strict=False)]
    if len(ends) < count:
        raise FileRefusedError(f"{original} has only {len(ends)} lines, fewer than skip_rows {count}")
    return (ends[-1] if ends else 0), count


def _first_record(
    path: Path, original: Path, entity: Entity, delimiters: tuple[str, ...], offset: int, line: int
) -> tuple[list[Header], list[FileRefusedError]]:
    """Read the first record with each delimiter. Return the headers, and an error for each delimiter without one."""
    found, errors = [], []
    for delimiter in delimiters:
        with path.open("rb") as stream:
            stream.seek(offset)
            records = Records(stream, delimiter, entity.format.quote, entity.max_record_bytes, line=line + 1)
            raw = next(iter(records), None)
            lines = records.line - 1
        try:
            if raw is None or raw.cut:
                raise FileRefusedError(
                    f"{original} has no header" if raw is None else f"{original}: the header is too long"
                )
            names = _names(raw.data, delimiter, entity, original)
            found.append(Header(delimiter, tuple(names), _columns(names, entity), raw.offset + raw.length, lines))
        except FileRefusedError as error:
            errors.append(error)
    return found, errors


def _search(start: bytes, entity: Entity, delimiters: tuple[str, ...]) -> list[Header]:
    """Return a list with one header, the first line that names every required column; empty if no line does."""
    for number, line, end in _lines(start):
        for delimiter in delimiters:
            try:
                names = _names(line, delimiter, entity, Path())
            except FileRefusedError:
                continue
            header = Header(delimiter, tuple(names), _columns(names, entity), end, number)
            if _has_required(header, entity):
                return [header]
    return []


def _lines(start: bytes) -> Iterator[tuple[int, bytes, int]]:
    at = 0
    for number, match in zip(range(1, SEARCHED_LINES + 1), re.finditer(rb"\r\n|\r|\n", start), strict=False):
        yield number, start[at : match.start()], match.end()
        at = match.end()


def _names(line: bytes, delimiter: str, entity: Entity, original: Path) -> list[str]:
    if b"\0" in line:
        raise FileRefusedError(
            f"{original} has a NUL byte in its header; remove it, or set encoding: utf-16-le if the file is in UTF-16"
        )
    try:
        text = line.decode("utf-8")
        rows = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, quotechar=entity.format.quote, strict=True
        )
        names = [name.strip() for name in next(rows, [])]
        return [*names, ""] if entity.format.ends_with_delimiter else names
    except UnicodeDecodeError as error:
        raise FileRefusedError(
            f"{original} is not valid {entity.format.encoding} at byte {error.start} of its header; "
            "correct the setting encoding (files saved by Excel are often in cp1252)"
        ) from None
    except csv.Error as error:
        raise FileRefusedError(f"{original}: the header cannot be read: {error}") from None


def _columns(names: list[str], entity: Entity) -> tuple[str | None, ...]:
    """Return the column of each field, after `renames`; None for a field without a name.

    A field that matches a required column gets the spelling of this column in the settings.
    """
    key = _loose if entity.format.loose_header else str
    renames = {key(old): new for old, new in entity.renames.items()}
    known = {key(name): name for name in entity.required}
    return tuple(renames.get(key(name)) or known.get(key(name)) or name or None for name in names)


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def _has_required(header: Header, entity: Entity) -> bool:
    return set(entity.required) <= set(header.columns)


def _check(header: Header, original: Path, entity: Entity) -> None:
    columns = list(header.columns)
    while columns and columns[-1] is None:  # spreadsheet programs often add empty columns at the end
        columns.pop()
    names = [name or "" for name in columns]
    lower = [name.lower() for name in names]
    given = set(names)
    missing = [name for name in entity.required if name not in given]
    if missing:
        raise FileRefusedError(_lacks(header, names, missing, original, entity))
    if "" in lower or not names:
        at = lower.index("") + 1 if names else 1
        raise FileRefusedError(
            f"{original}: column {at} of the header has no name; give it one in the file, or declare it in renames, "
            'for example {"": row_number}'
        )
    pattern = utf8_text(entity.format.encoding)
    if pattern and (mixed := next((name for name in names if re.fullmatch(pattern, name)), None)):
        raise FileRefusedError(
            f"{original}: column {mixed!r} of the header looks like utf-8, not {entity.format.encoding}; correct the "
            "setting encoding, or convert the file if parts of it have different encodings"
        )
    if twice := sorted(name for name, count in Counter(lower).items() if count > 1):
        shown = ", ".join(map(repr, twice[:_MOST_SHOWN])) + (" and others" if len(twice) > _MOST_SHOWN else "")
        raise FileRefusedError(f"{original}: the header names {shown} more than once; rename one of them in the file")
    made = {name.lower() for name in (*entity.constants, *entity.debit_credit, entity.generated_key or "")}
    both = next((name for name in names if name.lower() in made), None)
    if both:
        raise FileRefusedError(
            f"{original}: column {both!r} is in the file and in the settings; remove it from the file or the settings"
        )


def _lacks(header: Header, names: list[str], missing: list[str], original: Path, entity: Entity) -> str:
    advice = "if they have other names in the file, declare renames; if the header is below other lines, set skip_rows"
    if not entity.format.loose_header and {_loose(name) for name in missing} <= {_loose(name) for name in names}:
        advice = "set header_match: loose"
    shown, line = ", ".join(map(repr, filter(None, names[:_MOST_SHOWN]))), max(1, header.lines)
    return (
        f"{original}: the header lacks {', '.join(map(repr, missing[:_MOST_SHOWN]))}; line {line}, read with delimiter "
        f"{header.delimiter!r}, has {shown or 'no name'}; {advice}"
    )
