"""Find the files of an entity and inspect them before their records are read."""

from __future__ import annotations

import codecs
import csv
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from tap_csv.containers import plain_text
from tap_csv.errors import FileRefusedError, TapError
from tap_csv.headers import find_header
from tap_csv.settings import Entity

_CHUNK = 16 * 2**20
_TAIL = 64 * 1024


@dataclass(frozen=True)
class Text:
    """A file as plain UTF-8. `original` is the user's file; `path` has its UTF-8 text and is often the same file.

    `names` are the fields of its header. `columns` are the names of their columns; None for a field without a name.
    """

    original: Path
    path: Path
    delimiter: str
    quote: str
    names: tuple[str, ...]
    columns: tuple[str | None, ...]
    header_bytes: int
    """Number of bytes before the first record, including lines above the header, and the header's line end."""
    header_lines: int


@dataclass(frozen=True)
class Bytes:
    """Byte counts of the body (the text after the header), which decide whether DuckDB may read the file directly."""

    total: int
    quotes: int
    returns: int
    crlf: int
    feeds: int
    has_nulls: bool
    ends_with_newline: bool


def find(entity: Entity) -> tuple[Path, ...]:
    """Return the files of an entity without duplicates, in the order of `paths`; files of a glob are sorted by name.

    A path without a glob is returned even if there is no such file.

    Raises:
        TapError: a glob matches no file.
    """
    found: dict[Path, None] = {}
    for pattern in entity.paths:
        is_glob = glob.has_magic(pattern) and not Path(pattern).exists()
        # Use `glob.glob`, because a pattern from the settings may be absolute, which `Path.glob` refuses.
        names = sorted(glob.glob(pattern, recursive=True)) if is_glob else [pattern]  # noqa: PTH207
        paths = [Path(name) for name in names]
        files = [path for path in paths if path.is_file()] if is_glob else paths
        if not files:
            raise TapError(f"no file matches {pattern}, of entity {entity.name!r}")
        found |= dict.fromkeys(path.absolute() for path in files)
    return tuple(found)


def printable(path: Path) -> str:
    """Return the path with an escape such as `\\xe4` for each byte that is not valid UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def check_file(path: Path) -> None:
    """Check what can be checked before a file is opened.

    Raises:
        FileRefusedError: the file is missing or not a file, or DuckDB cannot open it because its path is not UTF-8.
    """
    if printable(path) != str(path):
        raise FileRefusedError(f"{printable(path)}: its name is not valid UTF-8; rename it")
    if not path.is_file():
        raise FileRefusedError(f"{path} {'is not a file' if path.exists() else 'is missing'}")


def prepare(original: Path, entity: Entity, folder: Path) -> Text:
    """Unpack and transcode a file if needed, and find its header.

    Raises:
        FileRefusedError: the file is not text or not in its encoding, or its header cannot be used.
        OSError: the file cannot be read, or `folder` cannot be written.
    """
    path = plain_text(original, entity.format.encoding, folder)
    with path.open("rb") as stream:
        if not stream.read(16).removeprefix(codecs.BOM_UTF8):
            raise FileRefusedError(f"{original} is empty: not even a header")
    header = find_header(original, path, entity)
    return Text(
        original, path, header.delimiter, entity.format.quote, header.names, header.columns, header.bytes, header.lines
    )  # fmt: skip


def measure(text: Text) -> Bytes:
    """Return the byte counts of the body, which decide whether DuckDB may read the file directly."""
    quotes = returns = crlf = feeds = total = 0
    quote, has_nulls, last = text.quote.encode(), False, b""
    with text.path.open("rb") as stream:
        stream.seek(text.header_bytes)
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            # Count the quotes only if the chunk has one, because a search for a byte is much faster than a count.
            quotes += _count(chunk, quote) if quote in chunk else 0
            has_nulls |= b"\0" in chunk
            if b"\r" in chunk:
                returns += _count(chunk, b"\r")
                crlf += chunk.count(b"\r\n")
            crlf += last == b"\r" and chunk.startswith(b"\n")
            feeds += _count(chunk, b"\n")
            last = chunk[-1:]
    return Bytes(total, quotes, returns, crlf, feeds, has_nulls, last == b"\n")


def _count(chunk: bytes, byte: bytes) -> int:
    """Return how often `byte` occurs.

    Unlike `bytes.count`, Arrow releases the GIL, so the thread that computes the digest of the file can run.
    """
    values = pa.Array.from_buffers(pa.uint8(), len(chunk), [None, pa.py_buffer(chunk)])
    return int(pc.equal(values, pa.scalar(byte[0], pa.uint8())).true_count)


def last_rows(text: Text) -> Iterator[list[str]]:
    """Yield the rows of the last lines, from the last one on; rows of another width than the header are left out.

    Only the last `_TAIL` bytes are searched, without empty rows at the end. Each line is taken for a row, even if it is
    a part of a quoted field.
    """
    for line in reversed(_last_lines(text)):
        try:
            row = next(csv.reader([line], delimiter=text.delimiter, quotechar=text.quote, strict=True), [])
        except csv.Error:
            continue
        if len(row) == len(text.columns):
            yield row


def _last_lines(text: Text) -> list[str]:
    """Return the last whole lines of the body, which begin at most `_TAIL` bytes before the end of its last value."""
    nothing = f"{text.delimiter}{text.quote} \t\r\n".encode()
    with text.path.open("rb") as stream:
        end = stream.seek(0, 2)
        while end > text.header_bytes:
            start = stream.seek(max(text.header_bytes, end - _TAIL))
            if filled := stream.read(end - start).rstrip(nothing):
                end = start + len(filled)
                break
            end = start
        start = stream.seek(max(text.header_bytes, end - _TAIL))
        data = stream.read(end - start) + stream.readline(_TAIL)
    lines = data.replace(b"\r", b"\n").decode("utf-8", "replace").split("\n")
    return lines[1:] if start > text.header_bytes else lines
