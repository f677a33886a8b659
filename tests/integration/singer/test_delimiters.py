"""Test which delimiter is taken if no setting names it and no column is declared, and headers with many fields."""

from __future__ import annotations

import time

import pytest

from tests.kit.singer import Kit

_ANY = {"keys": [], "generated_key": "row"}


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("Name, Vorname;Ort\nMeier, Hans;Bern\nKunz, Eva;Basel\n", "',' and ';'"),
        ("Name;Betrag, EUR\nMeier;12,50\nKunz;3,00\n", "',' and ';'"),
        ("Name|Betrag\tx\nMeier|1\t2\n", "'\\t' and '|'"),
        ("Name, Vorname;Ort\n", "',' and ';'"),
    ],
)
def test_file_that_two_delimiters_divide_equally_well_is_refused(kit: Kit, text: str, both: str) -> None:
    done = kit.tap(kit.csv(text), entity=_ANY, report_path=None)
    assert done.code == 1 and f"the delimiters {both} divide" in done.sentence
    assert "declare the setting delimiter" in done.sentence


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("Name, Vorname;Ort\nMeier;Bern\nKunz, Eva;Basel\n", ("Name, Vorname", "Ort"), 2),
        ("a,b;c\n1,x\n2,y;z\n", ("a", "b;c"), 2),
        ('a,"b;c"\n1,"x;y"\n2,"y;z"\n', ("a", "b;c"), 2),
        ("a,b\n1,x\n", ("a", "b"), 1),
        ("a\n1\n2\n", ("a",), 2),
    ],
)
def test_delimiter_that_divides_header_and_rows_best_is_taken(
    kit: Kit, text: str, names: tuple[str, ...], rows: int
) -> None:
    kit.load(kit.csv(text), entity=_ANY)
    columns = [name for (name,) in kit.query("SELECT column_name FROM (DESCRIBE t) ORDER BY ALL")]
    assert set(names) <= set(columns) and kit.counts["emitted"] == rows


@pytest.mark.parametrize(
    ("name", "settings"),
    [("v{0}", {"columns": {f"w{at}": "decimal" for at in range(1000)}}), ("v{1}", {}), ("v{1}", _ANY)],
    ids=["lacks many columns", "lacks the key", "names twice"],
)
def test_header_of_many_fields_is_refused_quickly(kit: Kit, name: str, settings: dict[str, object]) -> None:
    file = kit.csv(";".join(name.format(at, at // 2) for at in range(50_000)) + "\n1;2\n")
    started = time.process_time()
    done = kit.tap(file, entity=settings, report_path=None)
    assert done.code == 1 and len(done.sentence) < 5000
    assert time.process_time() - started < 8
