"""Test that tap-csv finds the same records and values as Python's csv module and DuckDB, for any content."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tap_csv.errors import FileRefusedError
from tap_csv.files import last_rows, measure, prepare
from tap_csv.formats import Format
from tap_csv.quarantine import Quarantine
from tap_csv.records import Records
from tap_csv.scan import Scanned, scan, write_parquet
from tap_csv.settings import Entity
from tap_csv.types import ColumnType

_TEXT = {"a": ColumnType("string"), "b": ColumnType("string")}
_ENTITY = Entity("t", ("t.csv",), columns=_TEXT, format=Format(delimiter=",", ignore_rows=()))
_CONNECTION = duckdb.connect(config={"threads": 2})


@dataclass
class Read:
    scanned: Scanned
    rows: list[tuple[str | None, ...]]
    bad: list[tuple[int, str]]

    @property
    def direct(self) -> bool:
        """Return whether DuckDB read the original file, and not a rewritten copy."""
        return "/t.csv'" in self.scanned.values.relation


def read(data: bytes, entity: Entity = _ENTITY) -> Read:
    """Read bytes with the functions of the tap; return the rows in its Parquet file and in its quarantine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "t.csv").write_bytes(data)
        quarantine = Quarantine("t", folder)
        text = prepare(folder / "t.csv", entity, folder)
        scanned = scan(_CONNECTION, text, measure(text), entity, folder, quarantine)
        rows: list[tuple[str | None, ...]] = []
        if scanned.good:
            parquet = folder / "t.parquet"
            assert write_parquet(_CONNECTION, scanned, entity, scanned.values.types, parquet, "snappy") == scanned.good
            rows = _CONNECTION.execute(f"SELECT * FROM read_parquet('{parquet}')").fetchall()
        quarantine.publish(folder / "q")
        lines = [json.loads(line) for file in (folder / "q").glob("*") for line in file.read_bytes().splitlines()]
        assert scanned.bad == len(lines)
        return Read(scanned, rows, [(line["line"], line["raw"]) for line in sorted(lines, key=lambda x: x["line"])])


def python_reads(data: bytes, width: int) -> tuple[list[tuple[str | None, ...]], int]:
    """Return what Python's csv module reads after the header: the good records, and the number of bad records.

    Empty rows are neither. A record is bad if it does not have `width` fields, contains a NUL or breaks the rules of
    quoting. It is also bad if it repeats the header or begins with a byte order mark, a sign of joined files.
    """
    text = data.decode().removeprefix("\ufeff")
    lines = _Kept(text)
    good, bad = [], 0
    for number, fields in enumerate(row for row in csv.reader(lines) if row or not lines.take()):
        raw = lines.take()
        if number == 0 or (not any(field.strip(" \t") for field in fields) and _is_strict(raw)):
            continue
        is_joined = [field.strip(" ") for field in fields] == ["a", "b"] or fields[0].startswith("\ufeff")
        if len(fields) == width and "\0" not in raw and _is_strict(raw) and not is_joined:
            good.append(tuple(field or None for field in fields))
        else:
            bad += 1
    return good, bad


class _Kept:
    """Iterable of lines for a csv reader; `take` returns the text of the lines that were read since the last call."""

    def __init__(self, text: str) -> None:
        self._lines = iter(io.StringIO(text, newline=""))
        self._kept: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._kept.append(line)
            yield line

    def take(self) -> str:
        kept, self._kept = "".join(self._kept), []
        return kept


def _is_strict(raw: str) -> bool:
    try:
        list(csv.reader(io.StringIO(raw, newline=""), strict=True))
    except csv.Error:
        return False
    return True


_BODIES = st.one_of(
    st.text(st.sampled_from('ab,"\n'), max_size=40),
    st.text(st.sampled_from('a ,"\n\r'), max_size=40),
    st.text(st.sampled_from("xé,\r\n\"';\0\t"), max_size=40),
    st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=8).map(
        lambda rows: _written(rows, csv.QUOTE_MINIMAL)
    ),
    st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=8).map(
        lambda rows: _written(rows, csv.QUOTE_ALL)
    ),
)


def _written(rows: list[tuple[str, str]], quoting: int) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


@given(body=_BODIES, end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
@example(body=' "x",y\n', end="\n", bom=False)
@example(body='"x" ,y\n', end="\n", bom=False)
@example(body="x,y,,\n", end="\n", bom=False)
@example(body='x,"y\n', end="\n", bom=False)
@example(body="x,y\r\rz,w", end="\n", bom=True)
@settings(max_examples=600, deadline=None)
def test_reader_finds_the_same_records_as_the_csv_module(body: str, end: str, bom: bool) -> None:
    try:
        data = (("\ufeff" if bom else "") + f"a,b{end}{body}").encode()
    except UnicodeEncodeError:
        return
    good, bad = python_reads(data, 2)
    if bad and not good:  # a file whose rows are all bad is refused
        with pytest.raises(FileRefusedError, match=f"{bad} of {bad} rows cannot be loaded"):
            read(data)
        return
    found = read(data)
    assert found.rows == good
    assert len(found.bad) == bad


_WRITTEN = """delim=',', quote='"', escape='"'"""
"""Options to read CSV as DuckDB writes it; without them, DuckDB may take an apostrophe for the quote character."""


@given(rows=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=1, max_size=12), crlf=st.booleans())
@example(rows=[("0", "'"), ("0", "'")], crlf=False)
@settings(max_examples=200, deadline=None)
def test_file_that_duckdb_wrote_is_read_as_duckdb_reads_it(rows: list[tuple[str, str]], crlf: bool) -> None:
    rows = [(a.replace("\0", "").replace("\r", ""), b.replace("\0", "").replace("\r", "")) for a, b in rows]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "d.csv"
        _CONNECTION.execute("CREATE OR REPLACE TEMP TABLE d (a VARCHAR, b VARCHAR)")
        try:
            _CONNECTION.executemany("INSERT INTO d VALUES (?, ?)", [list(row) for row in rows])
        except (UnicodeEncodeError, duckdb.Error):
            return
        _CONNECTION.execute(f"COPY d TO '{path}' (HEADER)")
        expected = _CONNECTION.execute(
            f"SELECT * FROM read_csv('{path}', columns={{'a': 'VARCHAR', 'b': 'VARCHAR'}}, header=true, {_WRITTEN})"
        ).fetchall()
        data = path.read_bytes()
    found = read(data.replace(b"\n", b"\r\n") if crlf and b'"' not in data else data)
    assert found.rows == [row for row in expected if any(value and value.strip(" \t") for value in row)]
    assert found.bad == []


@given(
    pieces=st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"bb", "é".encode()]), max_size=60),
)
@settings(max_examples=500, deadline=None)
def test_position_of_each_record_is_correct_and_the_csv_module_finds_as_many_records(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    records = list(Records(io.BytesIO(data), ",", '"', 2**20))
    for record in records:
        assert data[record.offset : record.offset + record.length].startswith(record.data)
        before = data[: record.offset]
        assert record.line == 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    expected = [row for row in csv.reader(io.StringIO(data.decode(), newline="")) if row]
    assert len(records) == len(expected)


def test_record_late_in_a_large_file_is_quarantined_if_its_stray_quote_swallows_rows() -> None:
    """The first 16 MiB, which are read as one chunk, have no quote."""
    rows = "".join(f"{number},{'x' * 1000},y\n" for number in range(17_000))
    swallowing = '17000,"a\n' + "".join(f"{number},b,y\n" for number in range(17_001, 17_007)) + 'c",y\n'
    found = read(f"a,b,c\n{rows}{swallowing}17007,d,y\n".encode())
    assert len(found.rows) == 17_001 and found.rows[-1] == ("17007", "d", "y")
    assert [line for line, _ in found.bad] == [17_002]


def test_end_of_a_very_long_last_line_is_not_taken_for_a_row() -> None:
    """To find a row of totals, the tap reads the end of a file. It may begin reading in the middle of a long line."""
    entity = Entity(
        "t", ("t.csv",), columns={"a": ColumnType("date"), "b": ColumnType("integer")}, format=Format(delimiter=",")
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "t.csv")
        path.write_text(f"a,b\n2026-01-01,1\n{'x' * 70_000},\n")
        assert list(last_rows(prepare(path, entity, Path(name)))) == []


@pytest.mark.parametrize(
    "body",
    ["1,x\n", "1,x\r\n2,y\r\n", '1,"x, ""y"""\n', '1,"two\nlines"\n2,z', "1,\n,2\n", "1,é\n", 'a"b,c\n'],
)
def test_file_with_regular_records_is_read_by_duckdb_directly(body: str) -> None:
    end = "\r\n" if "\r" in body else "\n"
    found = read(f"a,b{end}{body}".encode())
    assert found.direct
    assert (found.rows, found.bad) == (python_reads(f"a,b{end}{body}".encode(), 2)[0], [])


def test_quoted_number_is_read_by_duckdb_directly_and_number_with_a_quote_inside_is_quarantined() -> None:
    entity = Entity("t", ("t.csv",), columns={"b": ColumnType("integer")}, format=Format(delimiter=","))
    quoted = read(b'a,b\nx,"1"\n"y","2"\n', entity)
    assert quoted.direct and quoted.rows == [("x", 1), ("y", 2)]
    doubled = read(b'a,b\nx,"1""2"\ny,3\n', entity)
    assert doubled.rows == [("y", 3)] and [line for line, _ in doubled.bad] == [2]


@pytest.mark.parametrize("body", ['1, "x"\n', '1,"x" \n', "1,x,\n", "1,x\n\n", "1,x\r\n2,y\n", "1,\0\n", '1,"x'])
def test_file_with_irregular_records_is_not_read_by_duckdb_directly(body: str) -> None:
    assert not read(f"a,b\n0,z\n{body}".encode()).direct


def test_values_of_several_lines_in_a_large_file_are_read_correctly_by_duckdb_directly() -> None:
    """The file has 64 MB, so DuckDB reads it in several buffers, and most line ends are inside quotes."""
    rows = [(str(i), f'line "{i}",\n' * 9) for i in range(400_000)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("a", "b"), *rows])
    found = read(out.getvalue().encode())
    assert found.direct
    assert found.rows == rows


def test_record_over_the_size_limit_is_cut_and_the_next_record_is_found() -> None:
    data = b'a,b\n1,"' + b"x,\n" * 400_000 + b'"\n2,y\n'
    records = list(Records(io.BytesIO(data), ",", '"', 2**20))
    assert [(r.line, r.cut) for r in records] == [(1, False), (2, True), (400_003, False)]
    assert len(records[1].data) <= 64 * 1024
