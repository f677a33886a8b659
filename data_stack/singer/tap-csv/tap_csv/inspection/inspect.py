"""Inspect one file: decide the settings that its bytes prove, list the open settings, and read it as the tap would."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from tap_csv.clean import clean
from tap_csv.containers import plain_text
from tap_csv.errors import FileRefusedError, TapError, of_duckdb, of_os
from tap_csv.files import Text, measure, prepare
from tap_csv.inspection.columns import Columns, study_columns
from tap_csv.inspection.encoding import find_encoding
from tap_csv.inspection.keys import key_candidates, key_question
from tap_csv.inspection.layout import find_layout
from tap_csv.inspection.model import Open, Report
from tap_csv.inspection.table import Table
from tap_csv.quarantine import Quarantine
from tap_csv.rows import row_rules
from tap_csv.scan import cleaned_relation, scan, typed_query
from tap_csv.settings import Entity, entities
from tap_csv.tap import MEMORY, THREADS

NAME = "inspected"
SHOWN_ROWS = 10
_SHOWN_BAD = 5
_SHOWN_NAMES = 20
_SHOWN_ABOVE = 20
_SHOWN_TEXT = 200


def inspect(file: Path, given: Mapping[str, Any]) -> Report:
    """Return the report on a file.

    Args:
        given: declared settings of the entity, in the form of the tap's settings; no question is asked about them.

    Raises:
        TapError: a setting is invalid, or the file cannot be read as a table at all.
    """
    report = Report(str(file))
    with tempfile.TemporaryDirectory(prefix="tap-csv-") as name:
        folder = Path(name)
        config = {"threads": THREADS, "memory_limit": MEMORY, "temp_directory": str(folder / "spill")}
        try:
            with duckdb.connect(config=config) as con:  # type: ignore[arg-type]
                _Inspection(con, file, folder, dict(given), report).run()
        except duckdb.Error as error:
            raise of_duckdb(error, file) from None
        except OSError as error:
            raise of_os(error, file) from None
    return report


class _Inspection:
    """The steps of one inspection. It ends early if a step asks a question whose answer the next step needs."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, file: Path, folder: Path, given: dict[str, Any], report: Report
    ) -> None:
        self._con, self._file, self._folder, self._given, self._report = con, file, folder, given, report

    def run(self) -> None:
        self._entity({})  # checks the declared settings
        settings = self._encoding()
        settings = None if settings is None else self._layout(settings)
        if settings is not None:
            text = prepare(self._file, self._entity(_plain(self._given) | settings, required=False), self._folder)
            found = self._columns(text, settings)
            self._load(text, settings, found)

    def _entity(self, settings: Mapping[str, Any], *, required: bool = True) -> Entity:
        """Return the entity that the tap builds from `settings`.

        If `required`, also use the declared settings, some of which require certain columns in the file; `settings`
        take precedence.
        """
        own = {**self._given, **settings} if required else dict(settings)
        return entities({"entities": [{"entity": NAME, "path": str(self._file), **own}]})[0]

    def _encoding(self) -> dict[str, Any] | None:
        found = self._given.get("encoding") or find_encoding(self._file, self._folder)
        if isinstance(found, Open):
            self._report.open.append(found)
            return None
        self._report.encoding = str(found)
        return {} if found == "utf-8" else {"encoding": found}

    def _layout(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        form = self._entity(settings).format
        path = plain_text(self._file, form.encoding, self._folder)
        if path.stat().st_size <= len(b"\xef\xbb\xbf"):
            raise FileRefusedError(f"{self._file} is empty: not even a header")
        found = find_layout(path, form)
        if isinstance(found, Open):
            self._report.open.append(found)
            return None
        self._report.delimiter, self._report.header_line = found.delimiter, found.above + 1
        with path.open("rb") as stream:
            lines = [stream.readline(1 << 16) for _ in range(min(found.above, _SHOWN_ABOVE))]
        self._report.above = [line.decode("utf-8", "replace").strip()[:_SHOWN_TEXT] for line in lines]
        return {**settings, "delimiter": found.delimiter, "skip_rows": found.above}

    def _columns(self, text: Text, settings: Mapping[str, Any]) -> Columns:
        """Study the values of all records that the tap would load if every column were text and nothing were a key."""
        bare = self._entity({**_plain(self._given), **settings}, required=False)
        cleaned = clean(text, bare, self._folder / "records.csv", Quarantine(NAME, self._folder))
        rules = row_rules(text, bare, None)
        sound = f"(SELECT * FROM {cleaned_relation(text, cleaned)} WHERE NOT {rules.ignored} AND {rules.sound})"
        # Store the sound rows in a table, because the queries of the inspection read them many times.
        self._con.execute(f"CREATE TABLE records AS SELECT * FROM {sound}")
        table = Table(self._con, "records")
        names = {name: f"c{at}" for at, name in enumerate(text.columns) if name}
        added = self._entity(settings)
        known = {*names, *added.renames.values(), *added.constants, *added.debit_credit}
        if missing := [name for name in self._given.get("columns") or () if name not in known]:
            shown = ", ".join(map(repr, list(names)[:_SHOWN_NAMES]))
            raise TapError(f"column {missing[0]!r} is declared, but the header has {shown}")
        found = study_columns(table, names, self._entity(settings), self._given)
        self._report.columns = list(found.columns)
        self._report.open += found.open
        self._report.notes += found.notes
        self._report.key_candidates = key_candidates(table, names, found.columns)
        keys = self._given.get("keys") or ()
        if keys and all(key in names for key in keys) and not table.is_unique([names[key] for key in keys]):
            self._report.notes.append(f"several rows have the same {', '.join(keys)}; the last one is kept")
        return found

    def _load(self, text: Text, settings: dict[str, Any], found: Columns) -> None:
        """Read the file as the tap would, with the settings decided so far; add counts and a sample to the report."""
        given = self._given
        types = {column.name: column.type for column in found.columns if column.name not in (given.get("keys") or ())}
        chosen = {**settings, **found.settings, "columns": types}
        if not given.get("keys") and not given.get("generated_key"):
            self._report.open.insert(0, key_question(self._report.key_candidates, types))
        chosen["skip_rows"] = given.get("skip_rows", "auto")
        if self._header_line(chosen) != text.header_lines:
            chosen["skip_rows"] = settings["skip_rows"]
        entity = self._entity(chosen)
        self._report.decimal, self._report.thousands = found.decimal, found.thousands
        self._report.date_formats = list(entity.format.dates.formats) if found.has_days else []
        self._report.entity = {**given, **{k: v for k, v in chosen.items() if (k, v) != ("skip_rows", "auto")}}
        quarantine = Quarantine(NAME, self._folder)
        try:
            text = prepare(self._file, entity, self._folder)
            scanned = scan(self._con, text, measure(text), entity, self._folder, quarantine)
        except FileRefusedError as error:
            self._report.open.append(Open("file", f"the tap would refuse it: {error.message}"))
            return
        good, bad = scanned.good, scanned.bad
        self._report.rows = {"read": good + bad, "loaded": good, "quarantined": bad, "ignored": scanned.ignored}
        self._report.loaded_columns = {name: kind.sql for name, kind in scanned.values.types.items()}
        self._report.bad_rows = self._bad(quarantine)
        if good:
            query = f"SELECT COLUMNS(*)::VARCHAR FROM ({typed_query(scanned, entity, scanned.values.types)})"
            rows = self._con.execute(f"{query} LIMIT {SHOWN_ROWS}").fetchall()
            self._report.sample = [list(row) for row in rows]

    def _header_line(self, chosen: Mapping[str, Any]) -> int | None:
        try:
            return prepare(self._file, self._entity(chosen), self._folder).header_lines
        except FileRefusedError:
            return None

    def _bad(self, quarantine: Quarantine) -> list[dict[str, Any]]:
        quarantine.publish(self._folder / "quarantine")
        found: list[dict[str, Any]] = []
        for file in (self._folder / "quarantine").glob("*.jsonl"):
            with file.open(encoding="utf-8") as stream:
                for line in stream:
                    row = json.loads(line)
                    found.append({"line": row["line"], "reason": row["reason"]})
                    found = sorted(found, key=lambda one: int(one["line"]))[:_SHOWN_BAD]
        return found


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declared settings that divide a file into records; leave out settings about values."""
    kept = ("quotechar", "encoding", "header_match", "renames", "row_end", "ignore_rows")
    return {name: given[name] for name in kept if name in given}
