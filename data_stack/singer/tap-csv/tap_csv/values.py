"""Build SQL that converts the texts of a file to typed values, and that finds rows with unreadable values.

First, values are read in plain form only (`2026-12-31`, `1234.56`), which is fast and sufficient for most files. In
other files, `Reader.studied` finds out which decimal separator each column proves, and which declared formats its days
have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import duckdb

from tap_csv import amounts, dates
from tap_csv.amounts import Convention
from tap_csv.files import Text
from tap_csv.proofs import Proofs
from tap_csv.rows import RowRules
from tap_csv.settings import DebitCredit, Entity
from tap_csv.sql import literal
from tap_csv.types import STRING, WIDE, ColumnType

_SAMPLE = 2000
_NUMBERS = ("integer", "decimal")


@dataclass(frozen=True)
class Values:
    """SQL that reads a file. `relation` has the fields c0, c1… and helper columns; `columns` maps names to expressions.

    `bad` maps the SQL condition for a bad row to the SQL for its reason. In `types`, undeclared columns are text.
    """

    relation: str
    columns: Mapping[str, str]
    types: Mapping[str, ColumnType]
    bad: Mapping[str, str] = field(default_factory=dict)

    @property
    def readable(self) -> str:
        """SQL condition: every value of the row can be read."""
        return " AND ".join(f"NOT {condition}" for condition in self.bad) or "true"


class Reader:
    """Determine how to read the values of one file."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, relation: str, text: Text, entity: Entity, rules: RowRules
    ) -> None:
        self._con, self._entity, self._rules = con, entity, rules
        self._fields = {name: f"c{index}" for index, name in enumerate(text.columns) if name}
        self._typed = {name: kind for name, kind in entity.columns.items() if name in self._fields and kind != STRING}
        self._names = text.names
        self._relation = self._without_null_words(relation)

    @property
    def typed_fields(self) -> list[str]:
        """The fields (`c0`, `c1`…) of the columns with a declared type other than text."""
        return [self._fields[name] for name in self._typed]

    def plainest(self) -> tuple[Values, str]:
        """Return SQL that casts each value directly, and an SQL condition that is true only for rows with plain values.

        The condition is also false for some plain values, such as long numbers, and always false if `debit_credit` is
        declared.
        """
        tests = []
        for name, kind in self._typed.items():
            tests.append(f"({self._fields[name]} IS NULL OR {self._is_plain(self._fields[name], kind)})")
        if self._entity.debit_credit:
            tests.append("false")
        columns = {
            name: column if name not in self._typed else f"CAST({column} AS {self._typed[name].sql})"
            for name, column in self._fields.items()
        }
        return self._values(self._relation, columns, self._typed, {}), " AND ".join(tests) or "true"

    def studied(self) -> Values:
        """Return SQL that reads all values with the declared settings and the conventions that the columns prove."""
        helpers = self._helpers()
        relation = f"(SELECT *, {', '.join(helpers.values())} FROM {self._relation})" if helpers else self._relation
        proofs = self._proofs()
        wanted = {name: f"count(*) FILTER ({proof})" for name, proof in proofs.conditions.items()}
        how = proofs.conventions(self._aggregate(f"{relation} WHERE {self._sound}", wanted))
        values = self._read_by(relation, how)
        while unproven := self._unproven(values, proofs.needed(how)):
            how |= dict.fromkeys(unproven, Convention(None))
            values = self._read_by(relation, how)
        wide = self._wide(values)
        types = {**values.types, **dict.fromkeys(wide, WIDE)}
        columns = {name: column.replace(amounts.OPEN_TYPE, types[name].sql) if types[name].kind == "decimal" else column
                   for name, column in values.columns.items()}  # fmt: skip
        return replace(values, columns=columns, types=types)

    def _read_by(self, relation: str, how: Mapping[str, Convention]) -> Values:
        """Return SQL that reads all values by the conventions; the types of its numbers are `amounts.OPEN_TYPE`."""
        plains = ", ".join(f"{self._plain(column, how[column])} AS {column}_plain" for column in how)
        relation = f"(SELECT *, {plains} FROM {relation})" if plains else relation
        columns, types = dict(self._fields), dict(self._typed)
        bad: dict[str, str] = {}
        for name, kind in self._typed.items():
            columns[name], found = self._read(name, self._fields[name], kind, how)
            bad |= found
        for into, pair in self._entity.debit_credit.items():
            columns[into], found = self._signed(into, pair, how, relation)
            types[into] = self._entity.columns[into]
            bad |= found
        return self._values(relation, columns, types, bad)

    def _without_null_words(self, relation: str) -> str:
        words = ", ".join(literal(word) for word in self._entity.format.null_words)
        if not words:
            return relation
        changed = [column for name, column in self._fields.items() if name not in self._entity.keys]
        cases = ", ".join(
            f"CASE WHEN trim({column}) NOT IN ({words}) THEN {column} END AS {column}" for column in changed
        )
        original = f", {self._row_hash()} AS row_hash" if self._entity.generated_key else ""
        return f"(SELECT * REPLACE ({cases}){original} FROM {relation})" if changed else relation

    def _values(
        self, relation: str, columns: Mapping[str, str], types: Mapping[str, ColumnType], bad: Mapping[str, str]
    ) -> Values:
        constants = {name: literal(value) for name, value in self._entity.constants.items()}
        key = "row_hash" if self._entity.format.null_words else self._row_hash()
        made = {self._entity.generated_key: key} if self._entity.generated_key else {}
        columns = {**made, **columns, **constants}
        return Values(relation, columns, {name: types.get(name, STRING) for name in columns}, bad)

    def _row_hash(self) -> str:
        """Return SQL for a digest of the row. The order of columns and empty columns do not change the digest.

        The digest covers names and values as they are in the file, so a change of `renames` or `null_words` does not
        change generated keys.
        """
        fields = sorted((name, f"c{at}") for at, name in enumerate(self._names) if name)
        filled = ", ".join(f"CASE WHEN {c} IS NOT NULL THEN {literal(name + '=')} || {c} END" for name, c in fields)
        return f"md5(concat_ws(chr(31), {filled}))"

    def _is_plain(self, column: str, kind: ColumnType) -> str:
        if kind.kind in _NUMBERS:
            return amounts.is_plain(column, kind, self._places(column, kind))
        if kind.kind == "boolean":
            return f"({column} IN ('true', 'false'))"
        if kind.kind == "date":
            return dates.is_plain_day(column, self._entity.format.dates)
        return "false"

    def _places(self, column: str, kind: ColumnType) -> int:
        """Return the number of decimal places that a plain number of this column has.

        It is 0 for integers, and if the declared decimal separator is a comma. If no separator is declared, it is never
        3, because `1.234` may have three decimal places or none.
        """
        separator = self._entity.format.numbers.separator
        if separator == "," or kind.kind == "integer":
            return 0
        places = min(self._likely_places[column], kind.scale)
        return 0 if places == 3 and not separator else places

    @cached_property
    def _likely_places(self) -> dict[str, int]:
        """Return by field the most frequent number of decimal places in a sample; 0 if it is above 4."""
        columns = list(self._numeric())
        texts = ", ".join(f"strlen(split_part({column}, '.', 2))" for column in columns)
        rows = self._con.execute(f"SELECT {texts} FROM {self._relation} LIMIT {_SAMPLE}").fetchall()
        usual = (Counter(count for count in counts if count is not None) for counts in zip(*rows, strict=True))
        likely = [counts.most_common(1)[0][0] if counts else 0 for counts in usual] or [0] * len(columns)
        return {column: count if count <= 4 else 0 for column, count in zip(columns, likely, strict=True)}

    def _numeric(self) -> dict[str, ColumnType]:
        """Return the fields with numbers, and their target types."""
        found = {self._fields[name]: kind for name, kind in self._typed.items() if kind.kind in _NUMBERS}
        for into, pair in self._entity.debit_credit.items():
            found |= dict.fromkeys((self._fields[pair.debit], self._fields[pair.credit]), self._entity.columns[into])
        return found

    def _helpers(self) -> dict[str, str]:
        """Return SQL by field for helper columns that are computed once per value: cleaned numbers and timestamps."""
        numbers, days = self._entity.format.numbers, self._entity.format.dates
        helpers = {}
        for column, kind in self._numeric().items():
            plain = self._is_plain(column, kind)
            helpers[column] = (
                f"CASE WHEN {plain} THEN {column} WHEN trim({column}) <> '' THEN {amounts.core(column, numbers)} END "
                f"AS {column}_core, coalesce({plain}, false) AS {column}_is_plain"
            )
        for name, kind in self._typed.items():
            column = self._fields[name]
            if kind.kind in ("date", "datetime"):
                quick = f"WHEN {dates.is_plain_day(column, days)} THEN CAST(CAST({column} AS DATE) AS TIMESTAMP)"
                helpers[column] = f"CASE {quick} ELSE {dates.moment(column, days)} END AS {column}_moment"
        return helpers

    def _proofs(self) -> Proofs:
        pairs = [(self._fields[pair.debit], self._fields[pair.credit]) for pair in self._entity.debit_credit.values()]
        places = {column: self._places(column, kind) for column, kind in self._numeric().items()}
        return Proofs(self._entity.format.numbers, places, pairs)

    def _unproven(self, values: Values, needed: Mapping[str, str]) -> list[str]:
        """Return the fields whose condition in `needed` is met by no row with readable values in the other columns.

        Most files have such a row among the first rows, so that only these are read.
        """
        faults = {bad: f"CAST({bad} AS INTEGER)" for bad in values.bad}
        own = {one: [fault for bad, fault in faults.items() if f"{one}_plain" in bad] for one in needed}
        good = f"(SELECT *, {' + '.join(faults.values())} AS faults FROM {values.relation} WHERE {self._sound}"
        left = dict(needed)
        for relation in (f"{good} LIMIT {_SAMPLE})", f"{good} AND ({' OR '.join(left.values())}))"):
            wanted = {
                column: f"count(*) FILTER ({proof} AND faults = {' + '.join(own[column])})"
                for column, proof in left.items()
            }
            counts = self._aggregate(relation, wanted)
            left = {column: proof for column, proof in left.items() if not counts[column]}
        return list(left)

    def _plain(self, column: str, how: Convention) -> str:
        cleaned = amounts.plain(f"{column}_core", self._entity.format.numbers, how)
        return f"CASE WHEN {column}_is_plain THEN {column} ELSE {cleaned} END"

    def _read(
        self, name: str, column: str, kind: ColumnType, how: Mapping[str, Convention]
    ) -> tuple[str, dict[str, str]]:
        """Return SQL for the value of a column, and a mapping from conditions of unreadable values to reasons."""
        filled = f"coalesce(trim({column}), '') <> ''"
        if kind.kind in _NUMBERS:
            return amounts.number(column, kind), self._unreadable_number(name, column, kind, how[column])
        if kind.kind == "boolean":
            word = f"lower(trim({column}))"
            why = f"'column ' || {literal(name)} || ': ''' || left(trim({column}), 40) || ''' is not one of true, "
            why += "false, yes, no, 1, 0'"
            known = f"{word} IN ('true', 'false', 'yes', 'no', '1', '0')"
            value = f"CASE WHEN {filled} THEN {word} IN ('true', 'yes', '1') END"
            return value, {f"({filled} AND NOT {known})": why}
        days, moment = self._entity.format.dates, f"{column}_moment"
        bad = f"({filled} AND NOT coalesce({dates.is_plausible(moment, days)}, false))"
        tab = literal(f"column {name} has a tab in its value; remove it")
        why = dates.why_not(name, column, moment, kind.kind, days)
        return f"CAST({moment} AS {kind.sql})", {bad: f"CASE WHEN contains({column}, chr(9)) THEN {tab} ELSE {why} END"}

    def _unreadable_number(self, name: str, column: str, kind: ColumnType, how: Convention) -> dict[str, str]:
        exact = f"coalesce({amounts.is_exact(f'{column}_plain', kind)}, false)"
        exact = f"(CASE WHEN {column}_is_plain THEN true ELSE {exact} END)"
        bad = f"(coalesce(trim({column}), '') <> '' AND NOT {exact})"
        return {bad: amounts.why_not(name, column, kind, how, self._entity.format.numbers)}

    def _signed(
        self, into: str, pair: DebitCredit, how: Mapping[str, Convention], relation: str
    ) -> tuple[str, dict[str, str]]:
        """Return SQL for a signed number from two columns (NULL if both are empty), and reasons for bad rows."""
        kind = self._entity.columns[into]
        debit, credit = self._fields[pair.debit], self._fields[pair.credit]
        bad = self._unreadable_number(pair.debit, debit, kind, how[debit])
        bad |= self._unreadable_number(pair.credit, credit, kind, how[credit])
        out, into_ = (amounts.value(f"{column}_plain", kind.widest) for column in (debit, credit))
        signs = self._aggregate(
            f"{relation} WHERE {self._sound}",
            {"plus": f"count(*) FILTER ({out} > 0)", "minus": f"count(*) FILTER ({out} < 0)"},
        )
        if signs["plus"] and signs["minus"]:
            bad[f"coalesce({out} < 0, false)"] = literal(f"column {pair.debit} has both signs; correct the file")
        bad[f"coalesce({out} <> 0 AND {into_} <> 0, false)"] = literal(
            f"columns {pair.debit} and {pair.credit} both have an amount; correct the row"
        )
        bad[f"coalesce({into_} < 0, false)"] = literal(f"column {pair.credit} has a negative amount; correct the row")
        low, high = amounts.number(debit, kind), amounts.number(credit, kind)
        return f"(CASE WHEN {out} <> 0 THEN -abs({low}) ELSE coalesce({high}, {low}) END)", bad

    def _wide(self, values: Values) -> list[str]:
        """Return the `decimal` columns with a value that does not fit the narrow type."""
        wanted = {}
        for name, kind in values.types.items():
            if kind.kind == "decimal" and not kind.fixed:
                narrow = values.columns[name].replace(amounts.OPEN_TYPE, kind.sql)
                wide = values.columns[name].replace(amounts.OPEN_TYPE, WIDE.sql)
                # CASE, so that only the few rows that do not fit are checked for soundness.
                wanted[name] = f"count(*) FILTER (CASE WHEN {narrow} IS DISTINCT FROM {wide} THEN {self._sound} END)"
        return [name for name, count in self._aggregate(values.relation, wanted).items() if count]

    @property
    def _sound(self) -> str:
        """Return the condition for rows that the rules neither ignore nor find bad."""
        return f"(NOT {self._rules.ignored} AND {self._rules.sound})"

    def _aggregate(self, relation: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        if not wanted:
            return {}
        row = self._con.execute(f"SELECT {', '.join(wanted.values())} FROM {relation}").fetchone()
        return dict(zip(wanted, row or (), strict=True))
