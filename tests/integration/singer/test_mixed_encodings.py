"""Test files that have rows or a header in UTF-8, although another encoding is declared.

Such rows are quarantined, and a file with such a header is refused.
"""

from __future__ import annotations

import pytest

from tests.kit.singer import Kit

OWN = ("Köln", "CAFÉ»", "«CAFÉ\u00a0»", "naïve café’s", "São Paulo – 5 €", "NÃO", "CAFÉ…", "plain")
"""Values in cp1252 that must be loaded, although the bytes of some, such as `É»`, are also valid UTF-8."""


@pytest.mark.parametrize("more", ["", '9,"a\nb"\n'], ids=["read by DuckDB", "split into records"])
@pytest.mark.parametrize("text", ["Zürich", "Größe – 5", "it’s", "É"])
def test_utf_8_row_in_a_cp1252_file_is_quarantined(kit: Kit, text: str, more: str) -> None:
    own = "".join(f"{number},{value}\n" for number, value in enumerate(OWN, start=20))
    data = f"id,v\n1,{text}\n".encode() + (own + more).encode("cp1252")
    kit.load(kit.csv(data), entity={"encoding": "cp1252"})
    (bad,) = kit.quarantined
    assert bad["line"] == 2 and "looks like utf-8 in a file of cp1252" in bad["reason"]
    assert [v for (v,) in kit.query("SELECT v FROM t WHERE id >= '20' AND id < '30' ORDER BY id")] == list(OWN)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "iso-8859-15", "mac-roman", "cp850"])
def test_utf_8_row_in_a_file_of_another_western_encoding_is_quarantined(kit: Kit, encoding: str) -> None:
    kit.load(kit.csv("id,v\n1,Zürich\n".encode() + "2,Köln\n3,É\n".encode(encoding)), entity={"encoding": encoding})
    assert [row["line"] for row in kit.quarantined] == [2]
    assert kit.query("SELECT v FROM t ORDER BY id") == [("Köln",), ("É",)]


def test_cp1251_row_that_resembles_utf_8_is_loaded(kit: Kit) -> None:
    values = ["В\u00a0Москве", "Г»", "Д…", "ёж"]
    text = "id,v\n" + "".join(f"{number},{value}\n" for number, value in enumerate(values))
    kit.load(kit.csv(text.encode("cp1251")), entity={"encoding": "cp1251"})
    assert [v for (v,) in kit.query("SELECT v FROM t ORDER BY id")] == values


def test_file_with_a_utf_8_header_and_rows_in_cp1252_is_refused(kit: Kit) -> None:
    done = kit.tap(kit.csv("id,Größe\n".encode() + "1,Köln\n".encode("cp1252")), encoding="cp1252", report_path=None)
    assert done.code == 1 and "of the header looks like utf-8, not cp1252" in done.sentence
