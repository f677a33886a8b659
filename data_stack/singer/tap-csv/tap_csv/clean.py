"""The careful reader: takes a file with trouble apart record by record.

Good records go into a plain CSV file that no two readers disagree on, each behind its line and offset; the others go
into the quarantine. About a million records a second without quotes, a third of that with.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from tap_csv.errors import TapError
from tap_csv.files import Text
from tap_csv.quarantine import Quarantine
from tap_csv.records import Raw, Records
from tap_csv.settings import Dialect

csv.field_size_limit(sys.maxsize)


@dataclass
class Cleaned:
    """`path` has no header; its first two columns are line and offset.

    `longest` is its longest line in bytes, `broken` tells whether a value has a line end in it.
    """

    path: Path
    written: int = 0
    longest: int = 0
    broken: bool = False


@dataclass
class _Evidence:
    """For and against the encoding: a few damaged rows are bad rows, but a file full of them is another encoding."""

    against: int = 0
    valid: int = 0
    first: tuple[int, int] = (0, 0)
    """Line and byte of the first that is not valid."""


def clean(text: Text, dialect: Dialect, path: Path, quarantine: Quarantine) -> Cleaned:
    """Part good records from bad ones.

    Raises:
        TapError: more rows speak against the encoding than for it.
    """
    cleaned, evidence = Cleaned(path), _Evidence()
    delimiter = text.delimiter.encode()
    with text.path.open("rb") as stream, path.open("wb") as out:
        stream.seek(text.header_bytes)
        records = Records(stream, text.delimiter, text.quote, dialect.max_record_bytes, line=text.header_lines + 1)
        for raw in records:
            data, reason = _checked(raw, text, dialect, evidence)
            if reason:
                quarantine.add(text.original, raw.line, reason, raw.data)
                continue
            line = b"%d%b%d%b%b\n" % (raw.line, delimiter, raw.offset, delimiter, data)
            cleaned.longest = max(cleaned.longest, len(line))
            cleaned.broken = cleaned.broken or (raw.quoted and (b"\n" in data or b"\r" in data))
            cleaned.written += 1
            out.write(line)
    if evidence.against > evidence.valid:
        raise TapError(
            f"{text.original} is not valid {dialect.encoding} at byte {evidence.first[1]}, line {evidence.first[0]}; "
            "correct the setting encoding"
        )
    return cleaned


def record_at(text: Text, dialect: Dialect, offset: int) -> bytes:
    """The raw text of the record that begins at an offset."""
    with text.path.open("rb") as stream:
        stream.seek(offset)
        return next(iter(Records(stream, text.delimiter, text.quote, dialect.max_record_bytes))).data


def _checked(raw: Raw, text: Text, dialect: Dialect, evidence: _Evidence) -> tuple[bytes, str]:
    """The record as it may be written, or the reason why not."""
    if raw.cut:
        return b"", f"record of {raw.length} bytes, longer than max_record_bytes {dialect.max_record_bytes}"
    data, fields = raw.data, []
    if not data.isascii():
        try:
            data.decode("utf-8")
            evidence.valid += 1
        except UnicodeDecodeError as error:
            position = raw.offset + error.start
            evidence.first = evidence.first if evidence.against else (raw.line, position)
            evidence.against += 1
            return b"", f"not valid {dialect.encoding} at byte {position}"
    if b"\0" in data:
        return b"", "holds a NUL byte"
    if raw.quoted:
        try:
            quoted = data.decode("utf-8")
            fields = next(csv.reader([quoted], delimiter=text.delimiter, quotechar=text.quote, strict=True))
        except csv.Error as error:
            return b"", f"quotes are not closed or not doubled: {error}"
        quote = text.quote
        data = text.delimiter.join(f"{quote}{f.replace(quote, quote * 2)}{quote}" for f in fields).encode()
    count = len(fields) or data.count(text.delimiter.encode()) + 1
    if count != len(text.header):
        return b"", f"{count} fields where the header has {len(text.header)}"
    return data, ""
