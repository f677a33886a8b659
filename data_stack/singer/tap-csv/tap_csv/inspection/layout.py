"""Find delimiter and header of a file without declared columns, or list the layouts that fit."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tap_csv.formats import DELIMITERS, Format
from tap_csv.headers import SEARCHED_BYTES, SEARCHED_LINES, SEP_LINE
from tap_csv.inspection.model import Open, Option
from tap_csv.records import Records
from tap_csv.scan import MOST_BAD

_SAMPLE = 2000
"""Number of records from which the layout is decided; all records are read later."""
_VALUE = re.compile(r"[^\w]*[\d.,:/'’\s+−-]*\d[\d.,:/'’\s+−-]*[^\w]*")
"""A number, day or time. A header has no field like this."""

_LONGER = (
    "each row has one field more than the header, and it is empty; either the rows end with a delimiter that the "
    "header lacks, or values with a delimiter in them are not in quotes"
)

Record = tuple[int, list[str]]
"""Line number and fields of a record."""


@dataclass(frozen=True)
class Layout:
    """How a file is divided. `above` is the number of physical lines above the header."""

    delimiter: str
    above: int
    names: tuple[str, ...]

    @property
    def option(self) -> Option:
        shown = ", ".join(self.names[:6])
        return Option({"delimiter": self.delimiter, "skip_rows": self.above}, f"line {self.above + 1}: {shown}")


def find_layout(path: Path, form: Format) -> Layout | Open:
    """Return the only layout that fits the first records of a UTF-8 file, or an `Open` question.

    Args:
        form: declared format; its `delimiter` and `skip_rows` are used if they are set.
    """
    with path.open("rb") as stream:
        sep = SEP_LINE.match(stream.read(SEARCHED_BYTES))
    named = (sep[1].decode("latin-1"),) if sep and sep[1].isascii() else DELIMITERS
    delimiters = (form.delimiter,) if form.delimiter else named
    readings = {one: _records(path, one, form.quote, 1 if sep else 0) for one in delimiters}
    found = [layout for one in delimiters for layout in _layouts(one, readings, form)]
    if len(found) == 1:
        return found[0]
    if not found and not form.ends_with_delimiter:
        longer = replace(form, ends_with_delimiter=True)
        found = [layout for one in delimiters for layout in _layouts(one, readings, longer)]
        if found:
            return Open("row_end", _LONGER, (Option({"row_end": "delimiter"}, found[0].option.means),))
    if found:
        return Open("delimiter and skip_rows", "several lines can be the header", tuple(one.option for one in found))
    if form.delimiter or form.skip_rows is not None:
        return Open("skip_rows", "no line under these settings looks like a header with rows below it")
    return _nothing(readings)


def _records(path: Path, delimiter: str, quote: str, skipped: int) -> list[Record]:
    """Return the first records that are not blank, after `skipped` lines."""
    with path.open("rb") as stream:
        raws: Iterator[Record] = (
            (raw.line, _fields(raw.data, delimiter, quote))
            for raw in Records(stream, delimiter, quote, SEARCHED_BYTES)
            if raw.line > skipped and raw.data.strip()
        )
        return [record for record in islice(raws, _SAMPLE) if any(field.strip() for field in record[1])]


def _fields(data: bytes, delimiter: str, quote: str) -> list[str]:
    """Return the fields of a record; a record that cannot be read is a single field."""
    text = data.decode("utf-8", "replace")
    try:
        return next(csv.reader([text], delimiter=delimiter, quotechar=quote, strict=True), [text])
    except csv.Error:
        return [text]


def _layouts(delimiter: str, readings: dict[str, list[Record]], form: Format) -> list[Layout]:
    """Return the layouts that fit with one delimiter; several if more than one line may be the header."""
    records = readings[delimiter]
    if form.skip_rows is not None:
        at = next((at for at, (line, _) in enumerate(records) if line > form.skip_rows), None)
        if at is None or (len(records[at][1]) < 2 and not form.delimiter):
            return []
        fits = _share(records, at, form) >= 1 - MOST_BAD and _is_widest(records[at][0], delimiter, readings)
        return [_layout(delimiter, records, at)] if fits or form.delimiter else []
    least = 1 if form.delimiter else 2
    for at in range(min(len(records), SEARCHED_LINES)):
        names = records[at][1]
        if (
            len(names) >= least
            and _is_header(names)
            and _share(records, at, form) >= 1 - MOST_BAD
            and _is_widest(records[at][0], delimiter, readings)
        ):
            if any(len(above) > len(names) and _is_header(above) for _, above in records[:at]):
                return []  # not clear: `above` may be the header of a short table that ends before `at`
            others = [one for one in range(at) if len(records[one][1]) == len(names)]
            others += [at + 1] if _may_be_header(records, at + 1) else []
            return [_layout(delimiter, records, one) for one in sorted([at, *others])]
    return []


def _layout(delimiter: str, records: list[Record], at: int) -> Layout:
    line, names = records[at]
    return Layout(delimiter, line - 1, tuple(name.strip() for name in names))


def _is_header(names: Sequence[str]) -> bool:
    """Return whether all fields have a name that is not a number, day or time; empty fields at the end are ignored."""
    filled = [name.strip() for name in names]
    while filled and not filled[-1]:
        filled.pop()
    return bool(filled) and all(name and not _VALUE.fullmatch(name) for name in filled)


def _share(records: list[Record], at: int, form: Format) -> float:
    """Return the share of the records after record `at` that have as many fields as this record.

    If `form` declares that rows end with a delimiter, they must have one field more, which is empty. If record `at` is
    the last one, return 1 if it is also the first one, else 0.
    """
    below = records[at + 1 :]
    if not below:
        return 1.0 if at == 0 else 0.0
    width = len(records[at][1])
    if form.ends_with_delimiter:
        return sum(len(fields) == width + 1 and not fields[-1] for _, fields in below) / len(below)
    return sum(len(fields) == width for _, fields in below) / len(below)


def _is_widest(line: int, delimiter: str, readings: dict[str, list[Record]]) -> bool:
    """Return whether no other delimiter divides this line into more fields than `delimiter` does."""
    widths = {one: max((len(f) for at, f in records if at == line), default=0) for one, records in readings.items()}
    return widths[delimiter] == max(widths.values())


def _may_be_header(records: list[Record], at: int) -> bool:
    """Return whether record `at` has only words and the next record has a number, day or time."""
    if at + 1 >= len(records):
        return False
    wordy = all(field.strip() and not re.search(r"\d", field) for field in records[at][1])
    return wordy and any(_VALUE.fullmatch(field.strip()) for field in records[at + 1][1])


def _nothing(readings: dict[str, list[Record]]) -> Open:
    """Ask for the delimiter if no usual delimiter divides a line, else ask which line is the header.

    A line can be the header only if most rows below it have as many fields as it has.
    """
    records = next(iter(readings.values()))
    if records and all(len(fields) == 1 for found in readings.values() for _, fields in found):
        why = "no , ; tab or | is in the file; declare its delimiter, or any of them for a file of one column"
        return Open("delimiter", why, (Option({"delimiter": ","}, "one column"),))
    options = []
    for delimiter, found in readings.items():
        wide = [at for at, (_, names) in enumerate(found[:SEARCHED_LINES]) if len(names) > 1]
        if wide:
            named = [at for at in wide if _is_header(found[at][1])]
            options.append(_layout(delimiter, found, max(named or wide, key=lambda at: len(found[at][1]))))
    options.sort(key=lambda layout: -len(layout.names))
    why = "no line is clearly the header: most rows below it must have as many fields"
    advice = "" if options else "; add a header to the file, or declare the number of lines above it"
    return Open("delimiter and skip_rows", f"{why}{advice}", tuple(one.option for one in options))
