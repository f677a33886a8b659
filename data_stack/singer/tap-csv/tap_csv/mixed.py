"""Find UTF-8 text that was read with a Western single-byte encoding, for example if files of both kinds were joined."""

from __future__ import annotations

import codecs
import re

_WESTERN = ("cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp850")
"""Encodings in which the bytes of a UTF-8 letter are unlikely text, such as an uppercase A with a tilde before a sign.
In other encodings, such as Cyrillic encodings, these bytes can be a common letter before a quote or a space."""
_LEADS, _PUNCTUATION = b"\xc2\xc3", b"\xe2"
"""First bytes, in UTF-8, of Western European letters (2 bytes each), and of dashes, quotes and the euro (3 bytes)."""


def utf8_text(encoding: str) -> str | None:
    """Return a regular expression for texts whose non-ASCII characters are all UTF-8 wrongly decoded with `encoding`.

    Both Python's `re` and RE2 accept the expression. It finds only the letters and punctuation of Western Europe.

    Returns: None if `encoding` is not a Western single-byte encoding.
    """
    if codecs.lookup(encoding).name not in _WESTERN:
        return None
    leads, marks = (_characters(part, encoding) for part in (_LEADS, _PUNCTUATION))
    following = _characters(bytes(range(0x80, 0xC0)), encoding)
    letter = f"(?:[{leads}][{following}]|[{marks}][{following}][{following}])"
    return rf"(?s)[\x00-\x7F]*{letter}(?:[\x00-\x7F]|{letter})*"


def _characters(found: bytes, encoding: str) -> str:
    """Decode bytes into the content of a character class of a regular expression; omit bytes without a character."""
    return re.sub(r"([\[\]\\^-])", r"\\\1", found.decode(encoding, "ignore"))
