"""Unpack and transcode a file (compressed, in any encoding) to plain UTF-8 text on disk."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from tap_csv.errors import FileRefusedError

_CHUNK = 1 << 20
_MOST_OF_DISK = 0.5
"""Maximum share of the free disk space that the unpacked text of a file may use; the loaded data need as much again."""
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_SAVE = "save the table as CSV UTF-8 and load that"
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": f"is an old Excel workbook (.xls), or one with a password; open it in Excel, {_SAVE}",
    b"PK\x05\x06": "is an empty zip archive",
    b"%PDF": f"is a PDF; {_SAVE}, or ask the sender for a CSV export",
    b"PAR1": "is a Parquet file, which this tap does not read",
    b"SQLite format 3": "is a SQLite database, which this tap does not read",
    b"7z\xbc\xaf": "is a 7z archive; unpack it and load the file in it",
    b"Rar!": "is a RAR archive; unpack it and load the file in it",
    b"BZh": "is packed with bzip2; unpack it and load the file in it",
    b"\xfd7zXZ": "is packed with xz; unpack it and load the file in it",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it and load the file in it",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig",
}  # fmt: skip
"""Encodings by byte order mark; UTF-32 comes first, because the mark of UTF-32-LE starts with the mark of UTF-16-LE."""
_UTF8 = ("utf-8", "utf-8-sig")
_MEANT = {"iso8859-1": "cp1252", "iso8859-2": "cp1250", "iso8859-7": "cp1253", "iso8859-9": "cp1254",
          "iso8859-15": "cp1252"}  # fmt: skip
"""Encodings without text in the bytes 0x80 to 0x9F, and the encodings of Windows that are often meant by them."""
_CONTROLS = re.compile(rb"[\x80-\x9f]")
_UTF8_CHARACTER = re.compile(rb"[\xc2\xc3][\x80-\xbf]|\xe2[\x80-\xbf]{2}")
"""Matches the UTF-8 characters of Western Europe that the module `mixed` finds, row by row."""
_CUT_CHARACTER = re.compile(rb"(?:[\xc2\xc3]|\xe2[\x80-\xbf]?)\Z")
"""Matches the first bytes of such a character at the end of a chunk."""


def content_digest(path: Path) -> str:
    """Return the SHA-256 digest of the file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain_text(original: Path, encoding: str, folder: Path) -> Path:
    """Return the path of the text in UTF-8: the file itself if it is uncompressed UTF-8, else a new file in `folder`.

    A byte order mark takes precedence over `encoding`. Text that is declared as UTF-8 is not checked for invalid bytes.

    Raises:
        FileRefusedError: the file is not text, is damaged, is too large for the disk, or is not in its encoding.
        OSError: a file cannot be read or written.
    """
    head = first_bytes(original)
    with original.open("rb") as stream:
        start = stream.read(16)
    packed = start.startswith((_GZIP, _ZIP))
    found = marked_encoding(head) or codecs.lookup(encoding).name
    if found in _UTF8 and (order := unmarked_utf16(head)):
        raise FileRefusedError(f"{original} looks like utf-16 without a byte order mark; set encoding: {order}")
    if found in _UTF8 and not packed:
        return original
    path = Path(tempfile.mkstemp(".csv", dir=folder)[1])
    with path.open("wb") as out, _opened(original, start) as stream:
        chunks = _limited(_chunks(stream, original), original, folder)
        out.writelines(chunks if found in _UTF8 else _transcoded(chunks, original, found))
    return path


def _refuse_foreign(original: Path, start: bytes) -> None:
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            raise FileRefusedError(f"{original} {what}")
    if start[257:262] == b"ustar":
        raise FileRefusedError(f"{original} is a tar archive; unpack it and load the files in it")
    if start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:9].lower().startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise FileRefusedError(f"{original} is a web page or XML, not CSV; open it in a spreadsheet program, {_SAVE}")


def unmarked_utf16(head: bytes) -> str | None:
    """Return the encoding of a file that begins like UTF-16 without a byte order mark, else None."""
    if len(head) >= 8 and head.count(b"\0") * 5 > len(head) * 2:
        return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
    return None


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that the byte order mark of a file names, else None."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def first_bytes(original: Path, count: int = 4096) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        FileRefusedError: the file is not text, or its archive cannot be used.
        OSError: the file cannot be read.
    """
    with original.open("rb") as stream:
        start = stream.read(16)
    _refuse_foreign(original, start)
    with _opened(original, start) as stream:
        head = next(_chunks(stream, original, count), b"")
    _refuse_foreign(original, head)
    if start.startswith((_GZIP, _ZIP)) and head.startswith((_GZIP, _ZIP)):
        raise FileRefusedError(f"{original} is an archive of another archive or workbook; unpack it and load that")
    return head


def _opened(original: Path, start: bytes) -> IO[bytes]:
    if start.startswith(_ZIP):
        return _only_member(original)
    return cast(IO[bytes], gzip.open(original)) if start.startswith(_GZIP) else original.open("rb")


def _only_member(original: Path) -> IO[bytes]:
    """Open the only file of a zip archive; hidden files are not counted."""
    try:
        archive = zipfile.ZipFile(original)
        names = [info for info in archive.infolist() if not info.is_dir()]
        members = [info for info in names if not _is_hidden(info.filename)]
        if any(info.filename in ("[Content_Types].xml", "mimetype", "Index/Document.iwa") for info in names):
            raise FileRefusedError(
                f"{original} is a workbook of Excel or another spreadsheet program; open it there, {_SAVE}"
            )
        if len(members) != 1:
            inside = ", ".join(info.filename for info in names[:5])
            raise FileRefusedError(
                f"{original} is a zip archive of {len(members)} files instead of one ({inside}); "
                "unpack it and load the files"
            )
        if members[0].flag_bits & 1:
            raise FileRefusedError(f"{original} is an encrypted zip archive; unpack it and load the file in it")
        return archive.open(members[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise FileRefusedError(f"{original} is a zip archive that cannot be read: {error}") from None


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _chunks(stream: IO[bytes], original: Path, size: int = _CHUNK) -> Iterator[bytes]:
    try:
        while chunk := stream.read(size):
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # damaged data has no error number, a failed read has one
            raise
        kind = "zip" if isinstance(stream, zipfile.ZipExtFile) else "gzip"
        raise FileRefusedError(f"{original} is a damaged {kind} file: {error}") from None


def _limited(chunks: Iterator[bytes], original: Path, folder: Path) -> Iterator[bytes]:
    """Yield the chunks of the text of a file; refuse a file that would fill the disk, which other services share."""
    limit = int(shutil.disk_usage(folder).free * _MOST_OF_DISK)
    unpacked = 0
    for chunk in chunks:
        unpacked += len(chunk)
        if unpacked > limit:
            raise FileRefusedError(
                f"the text of {original} is larger than {limit >> 20} MiB, half of the free disk space; split it into "
                "smaller files, or free some space"
            )
        yield chunk


def _transcoded(chunks: Iterator[bytes], original: Path, encoding: str) -> Iterator[bytes]:
    """Convert the text from `encoding` to UTF-8.

    Refuse a text with non-ASCII letters that already is valid UTF-8: the declared encoding is wrong, because text in a
    single-byte encoding is almost never valid UTF-8. Refuse a text in ISO 8859 with control characters: it is probably
    in an encoding of Windows.
    """
    decoder, other = codecs.getincrementaldecoder(encoding)(), codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_ascii = not encoding.startswith(("utf-16", "utf-32")), True
    control, cut = None, b""
    try:
        for chunk in chunks:
            is_ascii = is_ascii and chunk.isascii()
            is_utf8 = is_utf8 and _can_decode(other, chunk)
            if encoding in _MEANT and not control and not chunk.isascii():
                control = _control(cut + chunk)
                cut = found[0] if (found := _CUT_CHARACTER.search(chunk[-2:])) else b""
            yield decoder.decode(chunk).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError as error:
        raise FileRefusedError(f"{original} is not valid {encoding} ({error}); correct the setting encoding") from None
    if is_utf8 and not is_ascii:
        raise FileRefusedError(f"{original} is utf-8, not {encoding}; correct the setting encoding")
    if control:
        raise FileRefusedError(
            f"{original} has bytes that are not text in {encoding}, such as 0x{control.hex()}; set encoding: "
            f"{_MEANT[encoding]}, which is often meant by {encoding}"
        )


def _control(data: bytes) -> bytes | None:
    """Return the first byte that is a control character in ISO 8859, but not part of a UTF-8 character; else None."""
    if not _CONTROLS.search(data):
        return None
    found = _CONTROLS.search(_UTF8_CHARACTER.sub(b"", data))
    return found[0] if found else None


def _can_decode(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk)
    except UnicodeError:
        return False
    return True
