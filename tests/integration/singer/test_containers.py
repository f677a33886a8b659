"""Test that files that cannot be read as CSV, such as workbooks and damaged archives, are refused with the reason."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.kit.singer import Kit

Packed = Callable[[bytes], bytes]


def _zipped(method: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def _encrypted(archive: bytes) -> bytes:
    """Return a zip archive whose only file is marked as encrypted."""
    entry = archive.index(b"PK\x01\x02")
    return archive[:6] + b"\1" + archive[7 : entry + 8] + b"\1" + archive[entry + 9 :]


def _damaged(method: int) -> bytes:
    """Return a zip archive with wrong bytes in its compressed data."""
    whole = _zipped(method, a_csv=b"id,v\n" + b"".join(b"%d,%d\n" % (i, i * 7) for i in range(1000)))
    return whole[:80] + bytes(255 - byte for byte in whole[80:120]) + whole[120:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_zipped(a_csv=b"id\n1\n", b_csv=b"id\n1\n"), "zip archive of 2 files"),
        (_encrypted(_zipped(a_csv=b"id\n1\n")), "is an encrypted zip archive; unpack it"),
        (gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar".ljust(255, b"\0") + b"id\n1\n"), "is a tar archive"),
        (_zipped(), "empty zip archive"),
        (_zipped(a_csv=b"id\n1\n")[:-30], "zip archive that cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1EncryptedPackage", "one with a password; open it"),
        (_zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", content_xml=b"<x/>"), "is a workbook"),
        (b"\n<html><table>", "web page"),
        ("id,v\n1,a\n".encode("utf-16-le"), "set encoding: utf-16-le"),
        (gzip.compress(b"%PDF-1.7"), "is a PDF"),
        (b"id,,v\n1,2,3\n", "column 2 of the header has no name; give it one in the file, or declare it in renames"),
        (_damaged(zipfile.ZIP_LZMA), "damaged zip"),
        (_damaged(zipfile.ZIP_BZIP2), "damaged zip"),
        (_damaged(zipfile.ZIP_DEFLATED), "damaged zip"),
        (_zipped(a_csv_gz=gzip.compress(b"id,v\n1,a\n")), "archive of another archive"),
        (b'{"id": 1}', "line 1, read with delimiter"),
    ],
    ids=[
        "two files", "encrypted", "tar", "empty zip", "cut zip", "old workbook", "password", "ods", "web page",
        "utf-16", "pdf", "unnamed column", "lzma", "bzip2", "deflated", "archive in archive", "header without line end",
    ],
)  # fmt: skip
def test_file_that_cannot_be_read_as_csv_is_refused_with_the_reason(kit: Kit, content: bytes, words: str) -> None:
    done = kit.tap(kit.csv(content), report_path=None)
    assert done.code == 1 and words in done.sentence and "t.csv" in done.sentence


def test_utf_8_file_with_another_declared_encoding_is_refused(kit: Kit) -> None:
    done = kit.tap(kit.csv("id,v\n1,Müller\n"), encoding="cp1252", report_path=None)
    assert done.code == 1 and "is utf-8, not cp1252" in done.sentence


@pytest.mark.parametrize(
    ("encoding", "meant"), [("latin-1", "cp1252"), ("iso-8859-1", "cp1252"), ("iso-8859-9", "cp1254")]
)
@pytest.mark.parametrize("text", ["Preis 5 €", "“x”", "größer – é…"])
def test_windows_file_that_is_declared_as_iso_8859_is_refused(kit: Kit, encoding: str, meant: str, text: str) -> None:
    data = f"id,v\n1,a\n2,{text}\n".encode(meant)
    done = kit.tap(kit.csv(data), encoding=encoding, report_path=None)
    assert done.code == 1 and "has bytes that are not text in iso8859" in done.sentence
    assert f"set encoding: {meant}," in done.sentence
    kit.load(kit.csv(data), encoding=meant)
    assert kit.query("SELECT v FROM t ORDER BY id") == [("a",), (text,)]


def test_utf_8_row_of_a_latin_1_file_is_quarantined_although_it_is_cut_between_two_chunks(kit: Kit) -> None:
    for more in range(4):
        start = "id,v\n1,Köln\n2,".encode("latin-1")
        row = b"x" * ((1 << 20) - len(start) - more) + "É – É\n".encode()
        kit.load(kit.csv(start + row + b"3,a\n"), encoding="latin-1")
        assert ["looks like utf-8" in bad["reason"] for bad in kit.quarantined] == [True] * (more + 1)


@pytest.mark.parametrize("packed", [gzip.compress, lambda data: _zipped(zipfile.ZIP_DEFLATED, a_csv=data)])
def test_archive_whose_content_exceeds_half_of_the_free_disk_space_is_refused(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, packed: Packed
) -> None:
    small_disk = SimpleNamespace(total=1 << 30, used=(1 << 30) - (3 << 20), free=3 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small_disk)  # simulates a disk with 3 MiB of free space
    rows = b"id,v\n" + b"".join(b"%d,%s\n" % (number, b"a" * 1000) for number in range(1000))
    kit.load(kit.csv(packed(rows)))
    assert kit.counts["read"] == 1000
    done = kit.tap(kit.csv(packed(rows + b"9999,b\n" * 100_000)), report_path=None)
    assert done.code == 1 and "is larger than 1 MiB, half of the free disk space" in done.sentence
