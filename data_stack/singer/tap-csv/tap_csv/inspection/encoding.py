"""Determine the encoding of a file, or list the encodings that fit it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tap_csv.containers import first_bytes, marked_encoding, plain_text, unmarked_utf16
from tap_csv.inspection.model import SHOWN_VALUES, Open, Option

CANDIDATES = (
    "cp1252", "iso-8859-15", "cp1250", "cp1251", "cp1253", "cp1254", "mac-roman", "cp850", "shift_jis", "gb18030",
)  # fmt: skip
"""Encodings in which exports are usually written, in the order in which they are offered."""
_LINE = 1 << 16
"""Maximum number of bytes of a line that are read at once."""
_WINDOW = 20
"""Number of bytes that are shown before and after an invalid byte."""


def find_encoding(original: Path, folder: Path) -> str | Open:
    """Return the encoding of a file, or an `Open` question if its bytes do not prove an encoding.

    A byte order mark determines the encoding. Bytes that are valid UTF-8 count as UTF-8, because text in another
    encoding is almost never valid UTF-8.

    Raises:
        FileRefusedError: the file is not text.
        OSError: the file cannot be read.
    """
    head = first_bytes(original)
    known = marked_encoding(head) or unmarked_utf16(head)
    if known:
        return "utf-8" if known == "utf-8-sig" else known
    path = plain_text(original, "utf-8", folder)
    places, valid = _invalid(path)
    if not places:
        return "utf-8"
    lines = ", ".join(str(line) for line, _ in places)
    return Open(
        "encoding", f"line {lines}: bytes that are not UTF-8; the encoding is not known", _options(places, valid)
    )


def _invalid(path: Path) -> tuple[list[tuple[int, bytes]], int]:
    """Return the first lines that are not UTF-8, and the number of lines that are UTF-8; lines of ASCII are ignored.

    Each invalid line has its number and the bytes around its first invalid byte.
    """
    if _is_utf8(path):
        return [], 0
    places: list[tuple[int, bytes]] = []
    valid = 0
    with path.open("rb") as stream:
        for number, line in _lines(stream):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                valid += 1
            except UnicodeDecodeError as error:
                if len(places) < SHOWN_VALUES:
                    places.append((number, line[max(0, error.start - _WINDOW) : error.start + _WINDOW].strip()))
    return places, valid


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each line; a long line comes in pieces with the same number."""
    number = 1
    while piece := stream.readline(_LINE):
        yield number, piece
        number += piece.endswith(b"\n")


def _options(places: list[tuple[int, bytes]], valid: int) -> tuple[Option, ...]:
    """Return the encodings that read all `places` as printable text, and UTF-8 if some lines are valid in it.

    Of encodings that give equal texts, return only the first.
    """
    options: dict[str, Option] = {}
    for name in CANDIDATES:
        try:
            texts = [data.decode(name) for _, data in places]
        except UnicodeDecodeError:
            continue
        if all(c.isprintable() or c == "\t" for text in texts for c in text):
            shown = "; ".join(f"line {line}: {text}" for (line, _), text in zip(places, texts, strict=True))
            options.setdefault(shown, Option({"encoding": name}, shown))
    found = list(options.values())
    if valid:
        found.append(Option({"encoding": "utf-8"}, f"{valid} lines have valid UTF-8; the other ones are quarantined"))
    return tuple(found)
