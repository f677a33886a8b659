"""Read the records of a file one by one, if DuckDB cannot read the file safely.

Good records are written to a plain CSV file that all readers parse in the same way. Its first two columns are the line
and the byte offset where the record begins in the UTF-8 text. The other records are quarantined. The speed is about a
million records per second, and a third of that if the records have quotes.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from tap_csv.errors import FileRefusedError
from tap_csv.files import Text
from tap_csv.quarantine import Quarantine
from tap_csv.records import Raw, Records
from tap_csv.settings import Entity
from tap_csv.strays import RowShape, joined_rows, row_shape

csv.field_size_limit(sys.maxsize)

BLANK = " \t"
"""A row whose fields have only these characters is blank and not a record."""


@dataclass
class Cleaned:
    """Result of `clean`. `path` has the good records without a header; its first two columns are line and offset.

    `longest` is the length of the longest line of `path` in bytes; `broken` is True if a value contains a line end.
    """

    path: Path
    written: int = 0
    blank: int = 0
    longest: int = 0
    broken: bool = False


@dataclass
class _Evidence:
    """Numbers of rows with non-ASCII characters that are invalid or valid in the declared encoding.

    If most of them are invalid, the declared encoding is wrong.
    """

    against: int = 0
    valid: int = 0
    first: tuple[int, int] = (0, 0)
    """Line of the first invalid row, and position of its first invalid byte in the file."""


def clean(text: Text, entity: Entity, path: Path, quarantine: Quarantine) -> Cleaned:
    """Write the good records to `path` and the bad ones to `quarantine`.

    Raises:
        FileRefusedError: of the rows with non-ASCII characters, more are invalid than valid in the encoding.
    """
    cleaned, evidence, shape = Cleaned(path), _Evidence(), row_shape(text, entity)
    delimiter = text.delimiter.encode()
    nothing = delimiter + BLANK.encode()
    with text.path.open("rb") as stream, path.open("wb") as out:
        stream.seek(text.header_bytes)
        for raw in Records(stream, text.delimiter, text.quote, entity.max_record_bytes, line=text.header_lines + 1):
            if not raw.cut and not raw.data.strip(nothing):
                cleaned.blank += 1
                continue
            data, reason = _checked(raw, text, entity, evidence, shape)
            if not reason and not data:
                cleaned.blank += 1
                continue
            if reason:
                quarantine.add(text.original, raw, reason)
                continue
            line = b"%d%b%d%b%b\n" % (raw.line, delimiter, raw.offset, delimiter, data)
            cleaned.longest = max(cleaned.longest, len(line))
            cleaned.broken = cleaned.broken or (raw.quoted and (b"\n" in data or b"\r" in data))
            cleaned.written += 1
            out.write(line)
    if evidence.against > evidence.valid:
        raise FileRefusedError(
            f"{text.original} is not valid {entity.format.encoding} at byte {evidence.first[1]}, line "
            f"{evidence.first[0]}; correct the setting encoding (files saved by Excel are often in cp1252)"
        )
    return cleaned


def record_at(text: Text, entity: Entity, offset: int, line: int) -> Raw:
    """Return the record that starts at byte `offset`, in line `line`.

    Raises:
        FileRefusedError: the file has become shorter, so the record is no longer there.
    """
    with text.path.open("rb") as stream:
        stream.seek(offset)
        found = next(iter(Records(stream, text.delimiter, text.quote, entity.max_record_bytes, line=line)), None)
    if found is None:
        raise FileRefusedError(f"{text.original} changed while it was read; run again")
    return found


def _checked(raw: Raw, text: Text, entity: Entity, evidence: _Evidence, shape: RowShape) -> tuple[bytes, str]:
    """Return the record to write, and the reason to quarantine it.

    The reason is empty for a good record; both are empty for a blank row. If there is a reason, ignore the record.
    """
    if raw.cut:
        return b"", f"record of {raw.length} bytes, longer than max_record_bytes {entity.max_record_bytes}"
    if not raw.data.isascii():
        try:
            raw.data.decode("utf-8")
            evidence.valid += 1
        except UnicodeDecodeError as error:
            position = raw.offset + error.start
            evidence.first = evidence.first if evidence.against else (raw.line, position)
            evidence.against += 1
            return (
                b"",
                f"not valid {entity.format.encoding} at byte {position}; correct the row or the setting encoding",
            )
    if b"\0" in raw.data:
        return b"", "contains a NUL byte"
    width = len(text.columns)
    if not raw.quoted:
        delimiter = text.delimiter.encode()
        count = raw.data.count(delimiter) + 1
        return raw.data, "" if count == width else _other_width(count, width, raw.data.endswith(delimiter))
    return _unquoted(raw, text, shape)


def _other_width(count: int, width: int, has_empty_end: bool) -> str:
    advice = "; if all rows end with a delimiter that the header lacks, set row_end: delimiter"
    return f"{count} fields, but the header has {width}{advice if count == width + 1 and has_empty_end else ''}"


def _unquoted(raw: Raw, text: Text, shape: RowShape) -> tuple[bytes, str]:
    spans = f"; the record spans {raw.lines} lines, from {raw.line} to {raw.line + raw.lines - 1}"
    spans = spans if raw.lines > 1 else ""
    data = raw.data.decode("utf-8")
    try:
        fields = next(csv.reader([data], delimiter=text.delimiter, quotechar=text.quote, strict=True))
    except csv.Error as error:
        return b"", f"quotes are not closed or not doubled: {error}{spans}"
    if not any(field.strip(BLANK) for field in fields):
        return b"", ""
    if len(fields) != shape.width:
        return b"", _other_width(len(fields), shape.width, not fields[-1]) + spans
    if rows := joined_rows(data, fields, shape):
        return b"", f"a stray quote joins lines: {rows} lines of a quoted field look like rows{spans}"
    quote = text.quote
    return text.delimiter.join(f"{quote}{f.replace(quote, quote * 2)}{quote}" for f in fields).encode(), ""
