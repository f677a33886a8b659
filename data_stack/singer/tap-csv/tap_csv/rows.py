"""Build SQL conditions for bad and ignored rows. For the values of typed columns, see the module `values`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tap_csv.clean import BLANK, SWALLOWED, SWALLOWED_PAIRS
from tap_csv.files import Text, last_row
from tap_csv.mixed import utf8_text
from tap_csv.settings import Entity
from tap_csv.sql import literal

_TOTAL = (
    "total", "totals", "subtotal", "sum", "summe", "gesamtsumme", "gesamtbetrag", "zwischensumme", "saldo", "endsaldo",
    "anfangssaldo", "balance", "gesamt", "totale", "somme", "suma", "summa", "totaal", "totalt", "sammanlagt", "i alt",
    "yhteensä", "razem", "łącznie", "ogółem", "celkem", "spolu", "összesen", "toplam", "ukupno", "skupaj", "kokku",
    "kopā", "iš viso", "σύνολο", "итого", "всего", "разом", "усього", "общо", "合計", "総計", "小計", "合计", "总计",
    "小计", "합계", "총계", "소계", "المجموع", "الإجمالي", 'סה"כ', "tổng cộng", "jumlah",
)  # fmt: skip
"""Words for a total, in lower case."""
_TOTALS = f"((sub[ -])?({'|'.join(_TOTAL)})( .*)?|\\p{{L}}+[ -]({'|'.join(_TOTAL)})):?"
"""Regular expression for the first filled field of a total row, converted to lower case."""
_COMPARED = 20
"""Number of fields that are compared to recognize a repeated header."""
_MANY_VALUES = 3
"""Minimum number of declared columns besides the key for this rule: a row that has only a key, of several words, is a
remark and not a record."""


@dataclass(frozen=True)
class RowRules:
    """SQL conditions for rows of a file: `ignored` for rows to leave out, and `reasons` for bad rows, by the reason."""

    ignored: str
    reasons: Mapping[str, str]

    @property
    def sound(self) -> str:
        """SQL condition: no condition in `reasons` applies to the row."""
        return " AND ".join(f"NOT {bad}" for bad in self.reasons.values()) or "true"


def row_rules(text: Text, entity: Entity, footer: int | None) -> RowRules:
    """Return the conditions of an entity for the rows of a file.

    Args:
        footer: line where the footer begins, or None if there is none. The footer is a few rows at the end of the file
            whose date columns are empty.
    """
    fields = {name: f"c{index}" for index, name in enumerate(text.columns) if name}
    reasons = {
        "begins with a byte order mark, as in joined files; remove the mark": "starts_with(c0, chr(65279))",
        "repeats the header, as in joined files; remove the line": _is_header(text),
    }
    if pattern := utf8_text(entity.format.encoding):
        why = f"looks like utf-8 in a file of {entity.format.encoding}, as where files were joined; convert the row"
        fields_text = ", ".join(f"c{index}" for index in range(len(text.columns)))
        reasons[why] = f"regexp_full_match(concat_ws(' ', {fields_text}), {literal(pattern)})"
    reasons = {why: f"coalesce({bad}, false)" for why, bad in reasons.items()}
    reasons |= _empty_keys(entity, fields)
    for index, name in enumerate(text.columns):
        if name is None:
            reasons[f"a value in field {index + 1}, which has no name in the header"] = f"(c{index} IS NOT NULL)"
    if entity.format.ignore_rows is None:
        reasons |= _totals(text, entity, fields, footer)
    return RowRules(_ignored(text, entity), reasons)


def _empty_keys(entity: Entity, fields: Mapping[str, str]) -> dict[str, str]:
    """Return SQL conditions for empty keys by the reason to show; a word of `null_words` counts as empty."""
    words = ", ".join(map(literal, entity.format.null_words))
    why = "is empty or one of null_words" if words else "is empty"
    reasons = {}
    for name in entity.keys:
        column = fields[name]
        # Compare the first character before the value is trimmed: a value that begins with visible ASCII is not blank,
        # and the comparison is much faster than `trim`.
        empty = f"CASE WHEN {column} BETWEEN '!' AND '~' THEN false ELSE coalesce(trim({column}), '') = '' END"
        reasons[f"key {name} {why}"] = f"({empty} OR trim({column}) IN ({words}))" if words else f"({empty})"
    return reasons


def _is_header(text: Text) -> str:
    names = list(enumerate(text.names[:_COMPARED]))
    equal = [f"trim(c{at}) = {literal(name)}" for at, name in names if name]
    # Compare the other fields only if the first field contains its name, because AND would trim and compare all fields
    # of each row. The first field always has a name.
    return f"(CASE WHEN contains(c0, {literal(text.names[0])}) THEN {' AND '.join(equal)} ELSE false END)"


def _first_filled(width: int) -> str:
    filled = ", ".join(f"nullif(trim(c{index}), '')" for index in range(width))
    return f"coalesce({filled}, '')"


def _ignored(text: Text, entity: Entity) -> str:
    """Return an SQL condition: the row matches `ignore_rows` or, if the entity has no keys, is blank.

    If the entity has keys, `_empty_keys` finds the blank rows.
    """
    width = len(text.columns)
    blank = " AND ".join(f"(c{index} IS NULL OR trim(c{index}, {literal(BLANK)}) = '')" for index in range(width))
    tests = [] if entity.keys else [f"({blank})"]
    first = _first_filled(width)
    tests += [f"regexp_matches({first}, {literal(f'^(?:{text})')})" for text in entity.format.ignore_rows or ()]
    return f"({' OR '.join(tests) or 'false'})"


def _totals(text: Text, entity: Entity, fields: Mapping[str, str], footer: int | None) -> dict[str, str]:
    """Return conditions for rows that look like totals or remarks, by the reason to show.

    A row looks like a total if its key is a word for a total; if its first value has such a word and a declared column
    is empty; or if the row is in the footer and has a number. It looks like a remark if, of the declared columns, only
    the key is filled, with several words.
    """
    declared = [fields[name] for name in (*entity.keys, *entity.columns) if name in fields]
    watched = declared if len(declared) > 1 else list(fields.values())
    empty = " OR ".join(f"{column} IS NULL" for column in watched)
    word = f"regexp_full_match(lower({_first_filled(len(text.columns))}), {literal(_TOTALS)})"
    advice = "declare it in ignore_rows, or ignore_rows: [] if it is data"
    pattern = literal(f" *({'|'.join(_TOTAL)})[: ]*")
    # Most keys begin with a digit, and no word for a total does. So compare the first character, which is fast, and use
    # the slow regular expression only for the other keys.
    keys = [
        f"(CASE WHEN {key} BETWEEN '0' AND ':' THEN false "
        f"ELSE coalesce(regexp_full_match({key}, {pattern}, 'i'), false) END)"
        for key in (fields[name] for name in entity.keys)
    ]
    is_total = " OR ".join((*keys, f"(CASE WHEN {empty} THEN {word} ELSE false END)"))
    reasons = {f"looks like a total row; {advice}": f"({is_total})"}
    values = [fields[name] for name in entity.columns if name in fields]
    if entity.keys and len(values) >= _MANY_VALUES:
        words = f"contains(trim({fields[entity.keys[0]]}), ' ')"
        nothing = " AND ".join((*(f"{column} IS NULL" for column in values), words))
        reasons[f"has a value only in its key, so it looks like a remark; {advice}"] = f"({nothing})"
    if footer:
        numbers = " OR ".join(f"c{at} IS NOT NULL" for at in _positions(text, entity, ("decimal", "integer")))
        reasons[f"is one of the rows at the end without a date, so it looks like a total row; {advice}"] = (
            f"(line >= {footer} AND ({numbers}))"
        )
    return reasons


def _positions(text: Text, entity: Entity, kinds: tuple[str, ...]) -> list[int]:
    """Return the positions of the declared columns of these types."""
    wanted = {name for name, kind in entity.columns.items() if kind.kind in kinds}
    return [at for at, name in enumerate(text.columns) if name in wanted]


def ends_without_day(text: Text, entity: Entity) -> bool:
    """Return whether the last line has a number but no day, although the entity has columns of days.

    Return False if `ignore_rows` is declared.
    """
    days = _positions(text, entity, ("date", "datetime"))
    numbers = _positions(text, entity, ("decimal", "integer"))
    if not days or not numbers or entity.format.ignore_rows is not None:
        return False
    row = last_row(text)
    is_whole = len(row) == len(text.columns)
    return is_whole and not any(row[at].strip() for at in days) and any(row[at].strip() for at in numbers)


def without_day(text: Text, entity: Entity) -> str:
    """Return an SQL condition: all day and time columns of the row are empty."""
    return " AND ".join(f"coalesce(trim(c{at}), '') = ''" for at in _positions(text, entity, ("date", "datetime")))


def swallowed(names: Sequence[str], delimiter: str) -> str:
    """Return an SQL condition: a quoted field has lines that look like rows, as in `clean.swallowed_lines`."""
    width, one = len(names), literal(delimiter)
    if width < 2:
        return "false"
    least = SWALLOWED if width > 2 else SWALLOWED_PAIRS
    tests = []
    for name in names:
        lines = f"string_split({name}, chr(10))"
        like = f"len(list_filter({lines}[2:-2], x -> strlen(x) - strlen(replace(x, {one}, '')) = {width - 1}))"
        rows = f"{like} >= {least} AND {like} * 2 >= len({lines}) - 2"
        tests.append(f"(CASE WHEN contains({name}, chr(10)) THEN {rows} ELSE false END)")
    return f"({' OR '.join(tests)})"
