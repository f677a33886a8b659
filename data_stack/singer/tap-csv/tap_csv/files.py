"""From a path in the settings to plain UTF-8 text on disk, with what is known of its bytes."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tap_csv.errors import TapError, of_os
from tap_csv.records import Records
from tap_csv.settings import DELIMITERS, Dialect, Entity

_CHUNK = 16 * 2**20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Text:
    """A file as plain UTF-8: `original` is what the user named, `path` is where its text lies (often the same)."""

    original: Path
    path: Path
    delimiter: str
    quote: str
    header: tuple[str, ...]
    header_bytes: int
    """Bytes up to and with the line end of the header; the byte order mark is counted too."""
    header_lines: int


@dataclass(frozen=True)
class Bytes:
    """What of the body, the text behind the header, decides who may read it.

    Counts of bytes, but `nulls`, and `feeds` as long as there are no `returns`, are only zero or not.
    """

    total: int
    quotes: int
    returns: int
    crlf: int
    feeds: int
    nulls: int
    ends_with_newline: bool


def find(entity: Entity) -> tuple[Path, ...]:
    """The files of an entity: in the order of the settings, those of a glob by name, each once.

    Raises:
        TapError: a path or glob leads to nothing that can be read.
    """
    found: dict[Path, None] = {}
    for pattern in entity.paths:
        is_glob = glob.has_magic(pattern) and not Path(pattern).exists()
        # a pattern from the settings may be absolute, which Path.glob refuses
        names = sorted(glob.glob(pattern, recursive=True)) if is_glob else [pattern]  # noqa: PTH207
        paths = [Path(name) for name in names]
        files = [path for path in paths if path.is_file()] if is_glob else paths
        if not files:
            raise TapError(f"no file matches {pattern}, of entity {entity.name!r}")
        for path in files:
            if not path.is_file():
                raise TapError(
                    f"{path}, of entity {entity.name!r}, {'is not a file' if path.exists() else 'is missing'}"
                )
            found[path.absolute()] = None
    return tuple(found)


def prepare(original: Path, dialect: Dialect, entity: Entity, folder: Path) -> Text:
    """Unpack and transcode where needed, and read the header.

    Raises:
        TapError: the file cannot be read, is not in its encoding, or its header cannot be used.
    """
    try:
        path = _plain(original, dialect.encoding, folder)
        with path.open("rb") as stream:
            start = stream.read(1 << 20)
    except OSError as error:
        raise of_os(error, original) from None
    if not start.removeprefix(codecs.BOM_UTF8):
        raise TapError(f"{original} is empty: not even a header")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TapError(f"{original} begins with the byte order mark of utf-16 at byte 0; set encoding: utf-16")
    texts = _readings(original, path, dialect)
    has_all = [text for text in texts if set(entity.required) <= set(text.header)]
    best = max(has_all or texts, key=lambda text: len(text.header))
    _check_header(best, entity)
    return best


def measure(text: Text) -> Bytes:
    """Count the bytes of the body that decide how it may be read."""
    quotes = returns = crlf = feeds = nulls = total = 0
    quote, last = text.quote.encode(), b""
    with text.path.open("rb") as stream:
        stream.seek(text.header_bytes)
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            # looking for a byte is many times as fast as counting it
            quotes += chunk.count(quote) if quote in chunk else 0
            nulls += b"\0" in chunk
            if b"\r" in chunk:
                returns += chunk.count(b"\r")
                crlf += chunk.count(b"\r\n")
            crlf += last == b"\r" and chunk.startswith(b"\n")
            feeds += chunk.count(b"\n") if returns else b"\n" in chunk
            last = chunk[-1:]
    return Bytes(total, quotes, returns, crlf, feeds, nulls, last == b"\n")


def _plain(original: Path, encoding: str, folder: Path) -> Path:
    with original.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if utf8 and not packed:
        return original
    path = Path(tempfile.mkstemp(".csv", dir=folder)[1])
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("wb") as out:
        for chunk in _chunks(original, packed=packed):
            out.write(chunk if utf8 else _transcoded(decoder, chunk, original, encoding))
        if not utf8:
            out.write(_transcoded(decoder, b"", original, encoding))
    return path


def _chunks(original: Path, *, packed: bool) -> Iterator[bytes]:
    try:
        with gzip.open(original) if packed else original.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TapError(f"{original} is a damaged gzip file: {error}") from None


def _transcoded(decoder: codecs.IncrementalDecoder, chunk: bytes, original: Path, encoding: str) -> bytes:
    try:
        # the mark of utf-16 is taken by its decoder; that of utf-8 cannot occur here
        return decoder.decode(chunk, final=not chunk).encode("utf-8", "strict")
    except UnicodeError as error:
        raise TapError(f"{original} is not valid {encoding} ({error}); correct the setting encoding") from None


def _readings(original: Path, path: Path, dialect: Dialect) -> list[Text]:
    """The header by each delimiter that can read it."""
    if dialect.delimiter:
        return [_with_header(original, path, dialect.delimiter, dialect)]
    texts, errors = [], []
    for delimiter in DELIMITERS:
        try:
            texts.append(_with_header(original, path, delimiter, dialect))
        except TapError as error:
            errors.append(error)
    if not texts:
        raise errors[0]
    return texts


def _with_header(original: Path, path: Path, delimiter: str, dialect: Dialect) -> Text:
    with path.open("rb") as stream:
        records = Records(stream, delimiter, dialect.quote, dialect.max_record_bytes)
        raw = next(iter(records), None)
    if raw is None or raw.cut:
        raise TapError(f"{original} has no header" if raw is None else f"{original}: the header is too long")
    try:
        line = raw.data.decode("utf-8")
        names = next(
            csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, quotechar=dialect.quote, strict=True)
        )
    except UnicodeDecodeError as error:
        raise TapError(
            f"{original} is not valid {dialect.encoding} at byte {raw.offset + error.start}, in its header; "
            "correct the setting encoding"
        ) from None
    except csv.Error as error:
        raise TapError(f"{original}: the header cannot be read: {error}") from None
    header = tuple(name.strip() for name in names)
    return Text(original, path, delimiter, dialect.quote, header, raw.offset + raw.length, records.line - 1)


def _check_header(text: Text, entity: Entity) -> None:
    lower = [name.lower() for name in text.header]
    twice = sorted({name for name in lower if lower.count(name) > 1})
    if "" in lower:
        raise TapError(f"{text.original}: column {lower.index('') + 1} of the header has no name")
    if twice:
        raise TapError(f"{text.original}: the header names {', '.join(map(repr, twice))} more than once")
    missing = [name for name in entity.required if name not in text.header]
    if missing:
        raise TapError(
            f"{text.original}: the header lacks {', '.join(map(repr, missing))}; read with delimiter "
            f"{text.delimiter!r} it has {', '.join(map(repr, text.header[:20]))}"
        )
