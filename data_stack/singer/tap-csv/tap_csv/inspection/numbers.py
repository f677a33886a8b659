"""Determine whether a column holds numbers, and with which separators and signs, by the same rules as the tap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tap_csv.amounts import APOSTROPHES, SPACES, Convention, NumberRules, Separator, core, evidence, is_exact, plain
from tap_csv.currencies import ABBREVIATIONS, CODES
from tap_csv.inspection.model import Open, Option
from tap_csv.inspection.table import Field, Table
from tap_csv.sql import literal
from tap_csv.types import NARROW

_CURRENCIES = (*CODES, *ABBREVIATIONS, *(f"{short}." for short in ABBREVIATIONS), "R$", "US$", "C$", "A$")
_CORE = "core"
"""Name of the column with the numbers that `amounts.core` has cleaned."""
_PLAIN = {".": "with_point", ",": "with_comma"}
"""Names of the columns with the numbers that `amounts.plain` has read, by the assumed decimal separator."""
_MOST_SIGNS = 6
_MOST_WORDS = 3
_MINUS = "\N{MINUS SIGN}"
_SEPARATORS: tuple[Separator, ...] = (".", ",")


@dataclass(frozen=True)
class Numbers:
    """How the numbers of a column are written. `thousands` is None unless exactly one such separator occurs."""

    decimal: Separator | None
    thousands: str | None
    decided: str
    signs: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        found = {"currency_signs": list(self.signs), "negatives": list(self.negatives)}
        return {name: value for name, value in found.items() if value}


def study(table: Table, field: Field, given: NumberRules) -> Numbers | Open | None:
    """Return how the column's numbers are written, an `Open` question, or None for a column of texts.

    A column is numeric only if every value is a number and at least one value proves the decimal separator. Whole
    numbers prove nothing, because they may be codes that must not change.
    """
    signs = tuple(dict.fromkeys((*given.currency_signs, *_signs(table, field))))
    rules = NumberRules(given.decimal, given.thousands, signs, parentheses=True, trailing_minus=True)
    tests = _tests(field)
    plains = {_PLAIN[s]: plain(_CORE, rules, Convention(s)) for s in _SEPARATORS}
    table = table.stored(field, {_CORE: core(field.sql, rules)}, plains, _reads(), tests)
    counts = _counts(table, field, tests)
    numbers = max(counts["."], counts[","])
    if not counts["fractions."] and not counts["fractions,"] and not counts["ambiguous"]:
        return None
    if counts["zeros"] or numbers * 2 < field.filled:
        return None
    lines = {name: table.shown(field, f'"{name}"') for name in (*_SEPARATORS, *tests) if counts[name]}
    if counts["proofs."] and counts["proofs,"]:
        why = f"decimal points ({lines['proofs.']}) and decimal commas ({lines['proofs,']})"
        return _question(field, why, [])
    if numbers < field.filled:
        return _exceptions(table, field, lines, numbers)
    if len(set(signs) - set(given.currency_signs)) > 1:
        both = Option(
            {"currency_signs": list(signs), **_decimal(field)}, "the signs are removed, so the currency is lost"
        )
        return _question(field, f"amounts in {', '.join(signs)}", [both])
    separator = given.separator or next((s for s in _SEPARATORS if counts[f"proofs{s}"]), None)
    if separator is None:
        options = [Option({"decimal": s, **_decimal(field)}, table.example(field, "ambiguous", _PLAIN[s]))
                   for s in _SEPARATORS]  # fmt: skip
        why = f"column {field.name}: thousands or decimal places? {lines['ambiguous']}"
        return Open("decimal", why, (*options, _text(field)))
    if not counts[f"fractions{separator}"] or counts["trailing"]:
        why = "codes or amounts? " + table.shown(field, '"trailing"' if counts["trailing"] else '"any"')
        return _question(field, why, [Option({"decimal": separator, **_decimal(field)}, "amounts")])
    return Numbers(separator, _thousands(counts, separator), lines.get(f"proofs{separator}", "declared"), signs,
                   tuple(form for form in ("parentheses", "trailing_minus") if counts[form]))  # fmt: skip


def _decimal(field: Field) -> dict[str, Any]:
    return {"columns": {field.name: "decimal"}}


def _question(field: Field, why: str, options: list[Option]) -> Open:
    return Open(f"column {field.name}", why, (*options, _text(field)))


def _text(field: Field) -> Option:
    return Option({"columns": {field.name: "string"}}, "text as in the file")


def _signs(table: Table, field: Field) -> list[str]:
    """Return the currency signs next to the numbers of a column; empty if there are more than `_MOST_SIGNS`."""
    codes = "|".join(re.escape(code) for code in sorted(_CURRENCIES, key=len, reverse=True))
    sign = f"(?:{codes}|\\p{{Sc}})"
    text = f"trim({field.sql})"
    front = (
        f"regexp_extract({text}, {literal(f'^[+({_MINUS}-]?[{SPACES}]*({sign})[{SPACES}]*[+{_MINUS}-]?[0-9.,]')}, 1)"
    )
    back = f"regexp_extract({text}, {literal(f'[0-9.,][{SPACES}]*({sign})[{SPACES}]*[){_MINUS}-]?$')}, 1)"
    found = table.distinct(f"coalesce(nullif({front}, ''), nullif({back}, ''))", _MOST_SIGNS + 1)
    return found if len(found) <= _MOST_SIGNS else []


def _reads() -> dict[str, str]:
    """Return an SQL condition for each decimal separator: read with it, the value is a number, and no digit is lost."""
    return {s: f"coalesce({is_exact(_PLAIN[s], NARROW)}, false)" for s in _SEPARATORS}


def _tests(field: Field) -> dict[str, str]:
    """Return SQL conditions for the ways in which a number can be written, each with a name such as `ambiguous`.

    The number of values that meet each condition decides how the column is read.
    """
    one, text = _CORE, f"trim({field.sql})"
    proofs = evidence(one)
    whole = f"regexp_full_match({one}, '[+-]?[0-9]+')"
    variable = f"strlen(regexp_extract({one}, '[.,]([0-9]+)$', 1))"
    return {
        **{f"proofs{s}": f"(\"{s}\" AND {proof})" for s, proof in proofs.items()},
        **{f"fractions{s}": f"(\"{s}\" AND {proof} AND contains({one}, '{s}') AND NOT {_twice(one, s)})"
           for s, proof in proofs.items()},
        "ambiguous": f"regexp_full_match({one}, '[+-]?[1-9][0-9]{{0,2}}[.,][0-9]{{3}}')",
        "zeros": f"regexp_matches({one}, '^[+-]?0[0-9]')",
        "trailing": f"(regexp_matches({one}, '[.,][0-9]*[1-9]?0$') AND {variable} > 1 AND {variable} <> 3)",
        "parentheses": f"regexp_full_match({text}, '\\(.*\\)')",
        "trailing_minus": f"regexp_full_match({text}, '.*[0-9].*[{_MINUS}-]')",
        "any": f"({one} <> '' AND NOT {whole})",
        "thousands,": f"regexp_matches({one}, '[0-9],[0-9]{{3}}([^0-9]|$)')",
        "thousands.": f"regexp_matches({one}, '[0-9][.][0-9]{{3}}([^0-9]|$)')",
        "thousands'": f"regexp_matches({one}, {literal(f'[0-9][{APOSTROPHES}][0-9]{{3}}')})",
        "thousands ": f"regexp_matches({one}, {literal(f'[0-9][{SPACES}][0-9]{{3}}')})",
    }  # fmt: skip


def _twice(one: str, separator: str) -> str:
    return f"regexp_matches({one}, '[{separator}].*[{separator}]')"


def _counts(table: Table, field: Field, tests: Iterable[str]) -> dict[str, int]:
    """Return the number of values for which a boolean column of `table` is true, by the name of the column.

    There is one such column for each decimal separator, and one for each name in `tests`.
    """
    counts = table.counts(field, {name: f'"{name}"' for name in (*_SEPARATORS, *tests)})
    # A final zero suggests a code only if another value has fewer decimal places: 1.10 may be a code beside 1.2, but it
    # is an amount beside 1.25.
    if counts["trailing"]:
        places = f"nullif(strlen(regexp_extract({_CORE}, '[.,]([0-9]+)$', 1)), 0)"
        ending = f'CASE WHEN "trailing" THEN {places} END'
        fewest, shortest = table.values(f"min({places})", f"max({ending})")
        counts["trailing"] = counts["trailing"] if shortest > fewest else 0
    return counts


def _exceptions(table: Table, field: Field, lines: dict[str, str], numbers: int) -> Open:
    """Ask how to load a column in which at least half of the values, but not all, are numbers."""
    separator: Separator = "," if lines.get("proofs,") else "."
    other = f'NOT "{separator}"'
    words = table.distinct(f"CASE WHEN {other} THEN trim({field.sql}) END", _MOST_WORDS + 1)
    given = {"decimal": separator, **_decimal(field)} if lines.get(f"proofs{separator}") else _decimal(field)
    options = [Option(given, f"the other {field.filled - numbers} rows are quarantined")]
    if len(words) <= _MOST_WORDS and not any(c.isdigit() for word in words for c in word):
        options.insert(0, Option({"null_words": words, **given}, f"{', '.join(words)} mean: no value"))
    return _question(field, f"numbers, except {table.shown(field, other)}", options)


def _thousands(counts: dict[str, int], separator: Separator) -> str | None:
    others = {".": (",", "'", " "), ",": (".", "'", " ")}[separator]
    found = [one for one in others if counts[f"thousands{one}"]]
    return found[0] if len(found) == 1 else None
