"""Split a stream into records with limited memory.

Records are the same as those of Python's csv reader: they end at a line feed, a carriage return, or both, outside of
quotes. An empty line is not a record. The code works on bytes, because in UTF-8 no byte of a multi-byte character
equals an ASCII delimiter.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

RAW_KEPT = 64 * 1024
"""Number of bytes that are kept of a record that is too long."""

_State = Literal["start", "plain", "quoted", "closing"]


@dataclass(frozen=True, slots=True)
class Raw:
    """One record. `data` has no line end; `length` is the number of its bytes, including the line end.

    `lines` is the number of its physical lines.
    """

    line: int
    lines: int
    offset: int
    length: int
    data: bytes
    quoted: bool
    cut: bool


class Records:
    """Iterate over the records of a stream. `line` is the physical line where the next record starts."""

    def __init__(self, stream: BinaryIO, delimiter: str, quote: str, limit: int, *, line: int = 1) -> None:
        self.line = line
        self._stream = stream
        self._delimiter, self._quote, self._limit = delimiter.encode(), quote.encode(), limit
        self._pieces = self._read()

    def __iter__(self) -> Iterator[Raw]:
        offset = self._stream.tell()
        if offset == 0 and self._stream.read(3) == codecs.BOM_UTF8:
            offset = 3
        self._stream.seek(offset)
        for piece in self._pieces:
            raw = self._record(piece, offset)
            offset += raw.length
            if raw.data or raw.cut:
                yield raw

    def _record(self, piece: bytes, offset: int) -> Raw:
        """Join pieces until the end of a record; do not keep the pieces beyond the limit."""
        begins, kept, length, quoted = self.line, [piece], 0, False
        state: _State = "start"
        while True:
            length += len(piece)
            ended = piece.endswith((b"\n", b"\r"))
            has_quote = self._quote in piece
            quoted = quoted or has_quote
            if has_quote or not ended or state != "start":
                state = self._after(piece, state)
            self.line += ended
            if ended and state != "quoted":
                break
            following = next(self._pieces, None)
            if following is None:
                break
            piece = following
            if length <= self._limit:
                kept.append(piece)
        data = b"".join(kept)
        cut = length > self._limit
        if cut:
            data = data[:RAW_KEPT]
        elif data.endswith(b"\n"):
            data = data[:-2] if data.endswith(b"\r\n") else data[:-1]
        elif data.endswith(b"\r"):
            data = data[:-1]
        return Raw(begins, max(1, self.line - begins), offset, length, data, quoted, cut)

    def _after(self, piece: bytes, state: _State) -> _State:
        """Return the parsing state after a piece; `quoted` means that a quoted field is still open."""
        at, end = 0, len(piece)
        while at < end:
            if state == "quoted":
                at = piece.find(self._quote, at) + 1
                if not at:
                    return "quoted"
                state = "closing"
            elif state == "plain":
                at = piece.find(self._delimiter, at) + 1
                if not at:
                    return "plain"
                state = "start"
            else:
                character = piece[at : at + 1]
                at += 1
                # A quote opens a quoted field, or is the second of two quotes that stand for one inside the field. In
                # both cases, the next character is in quotes.
                state = "quoted" if character == self._quote else "plain"
                state = "start" if character == self._delimiter else state
        return state

    def _read(self) -> Iterator[bytes]:
        """Yield lines, or pieces of a line that is longer than the buffer. A single carriage return ends a line too."""
        carried = b""
        while line := self._stream.readline(1 << 20):
            if carried:
                line, carried = carried + line, b""
            if line.endswith(b"\r"):
                carried = line  # the buffer may have cut between \r and \n
                continue
            if b"\r" in line and not (line.endswith(b"\r\n") and line.count(b"\r") == 1):
                yield from _split(line)
            else:
                yield line
        if carried:
            yield from _split(carried)


def _split(line: bytes) -> Iterator[bytes]:
    return filter(None, re.split(rb"(?<=\r)(?!\n)", line))
