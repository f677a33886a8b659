"""Build SQL conditions for bad and ignored rows. For the values of typed columns, see the module `values`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tap_csv.clean import BLANK
from tap_csv.files import Text
from tap_csv.footer import without_day
from tap_csv.mixed import utf8_text
from tap_csv.settings import Entity
from tap_csv.sql import literal
from tap_csv.totals import BEGINS_AS_TOTAL, WHOLE_TOTAL
from tap_csv.types import STRING

_COMPARED = 20
"""Number of fields that are compared to recognize a repeated header."""
_INVISIBLE = r"[\p{Z}\p{Cc}\p{Cf}]*"
"""Regular expression for a text of blanks, tabs and characters that are not visible."""
_PROVING = ("date", "datetime", "decimal", "integer")
"""Types whose values have a digit."""
_MANY_VALUES = 3
"""Minimum number of declared columns besides the key for this rule: a row that has only a key, of several words, is a
remark and not a record."""


@dataclass(frozen=True)
class RowRules:
    """SQL conditions for rows of a file: `ignored` for rows to leave out, and `reasons` for bad rows, by the reason."""

    ignored: str
    reasons: Mapping[str, str]
    reordered: str
    """SQL condition: the row has the names of the header in another order. The rows after it have another order too."""

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
    reordered = _is_reordered(text, entity)
    reasons = {
        "begins with a byte order mark, as in joined files; remove the mark": "starts_with(c0, chr(65279))",
        "repeats the header, as in joined files; remove the line": _is_header(text),
    }
    if not _has_unreadable_names(text, entity):
        reasons["names the columns in another order; split the file there"] = reordered
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
    return RowRules(_ignored(text, entity), reasons, f"coalesce({reordered}, false)")


def _empty_keys(entity: Entity, fields: Mapping[str, str]) -> dict[str, str]:
    """Return SQL conditions for empty keys by the reason to show; a word of `null_words` counts as empty."""
    words = ", ".join(map(literal, entity.format.null_words))
    why = "is empty or one of null_words" if words else "is empty"
    reasons = {}
    for name in entity.keys:
        column = fields[name]
        # Compare the first character first: a value that begins with visible ASCII is not blank, and the comparison is
        # much faster than the regular expression.
        blank = f"regexp_full_match(coalesce({column}, ''), {literal(_INVISIBLE)})"
        empty = f"CASE WHEN {column} BETWEEN '!' AND '~' THEN false ELSE {blank} END"
        reasons[f"key {name} {why}"] = f"({empty} OR trim({column}) IN ({words}))" if words else f"({empty})"
    return reasons


def _is_header(text: Text) -> str:
    names = list(enumerate(text.names[:_COMPARED]))
    equal = [f"trim(c{at}) = {literal(name)}" for at, name in names if name]
    # Compare the other fields only if the first field contains its name, because AND would trim and compare all fields
    # of each row. The first field always has a name.
    return f"(CASE WHEN contains(c0, {literal(text.names[0])}) THEN {' AND '.join(equal)} ELSE false END)"


def _is_reordered(text: Text, entity: Entity) -> str:
    """Return an SQL condition: the row has the names of the header, but in another order; their case does not matter.

    A row of two names is data if both columns are text, for example in a table of pairs.
    """
    names, width = [name.lower() for name in text.names], len(text.names)
    has_types = any(kind != STRING and name in text.columns for name, kind in entity.columns.items())
    if width < 2 or (width == 2 and not has_types):
        return "false"
    marks = literal(f"\ufeff{text.quote} ")
    fields = ", ".join(f"lower(trim(coalesce(c{at}, ''), {marks}))" for at in range(width))
    header = f"[{', '.join(map(literal, names))}]"
    found = f"[{fields}] <> {header} AND list_sort([{fields}]) = list_sort({header})"
    # Compare all fields only in rows whose first field is one of the names, or begins with a byte order mark.
    known = ", ".join(map(literal, dict.fromkeys((*text.names, *names))))
    return f"(CASE WHEN c0 IN ({known}) OR starts_with(c0, chr(65279)) THEN {found} ELSE false END)"


def _has_unreadable_names(text: Text, entity: Entity) -> bool:
    """Return whether a declared type cannot read the names of the header, so a row of them is bad anyway."""
    has_digits = any(map(str.isdigit, "".join(text.names)))
    proving = [name for name, kind in entity.columns.items() if kind.kind in _PROVING and name in text.columns]
    return bool(proving) and not has_digits and not set(text.names) & set(entity.format.null_words)


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

    A row looks like a total if its key is a word or phrase for a total; if its first value has such a word and a
    declared column is empty; or if the row is in the footer and has a number. It looks like a remark if, of the
    declared columns, only the key is filled, with several words.
    """
    declared = [fields[name] for name in (*entity.keys, *entity.columns) if name in fields]
    watched = declared if len(declared) > 1 else list(fields.values())
    empty = " OR ".join(f"{column} IS NULL" for column in watched)
    first, whole = _first_filled(len(text.columns)), literal(WHOLE_TOTAL)
    word = f"(regexp_full_match(lower({first}), {literal(BEGINS_AS_TOTAL)}) OR regexp_full_match({first}, {whole}))"
    advice = "declare it in ignore_rows, or ignore_rows: [] if it is data"
    # Most keys begin with a digit, and no word for a total does. So compare the first character, which is fast, and use
    # the slow regular expression only for the other keys.
    keys = [
        f"(CASE WHEN {key} BETWEEN '0' AND ':' THEN false "
        f"ELSE coalesce(regexp_full_match({key}, {whole}), false) END)"
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
        reasons[f"is one of the rows at the end without a date, so it looks like a total row; {advice}"] = (
            f"(line >= {footer} AND {without_day(text, entity)})"
        )
    return reasons
