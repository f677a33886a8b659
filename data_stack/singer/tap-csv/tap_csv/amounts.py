"""Build SQL that reads numbers with separators, signs and exponents, for a whole column at once.

The decimal separator (`.` or `,`) is declared, or the values of the whole column prove it. An ambiguous number is never
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tap_csv.currencies import ABBREVIATIONS, CODES
from tap_csv.sql import INVISIBLE, literal
from tap_csv.types import ColumnType

Separator = Literal[".", ","]

SPACES = "\\s\\x{00A0}\\x{2007}\\x{2009}\\x{202F}"
"""Spaces that are accepted as thousands separators, for a character class of a regular expression."""
APOSTROPHES = "'\\x{2019}"
SIDES = (
    "cr", "dr", "c", "d", "db", "deb", "cred", "debit", "credit", "débit", "crédit", "debet", "kredit", "debe",
    "haber", "dare", "avere", "soll", "haben", "s", "h",
)  # fmt: skip
"""Words for debit and credit before or after an amount, in lower case. They are refused as `currency_signs`, because
removing them would lose the sign of the amount."""
MINUSES = (
    "-\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\u25b2\u25b3\u25bc\u25bd"
)
"""Characters that stand for minus, among them triangles, as in Japan."""
_CURRENCIES = "|".join((*CODES, *ABBREVIATIONS))
OPEN_TYPE = "FDS_DECIMAL"
"""Placeholder for the type of a `decimal` column in SQL, until all its values are checked."""
_MINUS = "\N{MINUS SIGN}"
_EXPONENT = "([eE][+-]?[0-9]{1,2})?"
_SIGN = f"[+-]?[{SPACES}]*"


@dataclass(frozen=True)
class NumberRules:
    """Declared number settings.

    If `decimal` is None, `thousands` or the values of the column decide it. If `thousands` is None, all usual thousands
    separators are allowed; if it is `""`, none is.
    """

    decimal: Separator | None = None
    thousands: str | None = None
    currency_signs: tuple[str, ...] = ()
    parentheses: bool = False
    trailing_minus: bool = False

    @property
    def separator(self) -> Separator | None:
        """The decimal separator if the settings determine it, else None."""
        others: dict[str | None, Separator] = {".": ",", ",": "."}
        return self.decimal or others.get(self.thousands)


@dataclass(frozen=True)
class Convention:
    """How to read the numbers of a column.

    If no decimal separator is declared, the values of the column prove it. If they prove none, `decimal` is None, and
    only numbers without `.` and `,` are read. If some values prove `.` and others `,`, `mixed` is True. Then only
    numbers without thousands separators are read: whole numbers, and those whose `.` is certainly the decimal
    separator.
    """

    decimal: Separator | None
    mixed: bool = False


def is_plain(column: str, kind: ColumnType, places: int) -> str:
    """Return a fast SQL condition that is true only for a plain number with exactly `places` decimal places.

    An integer has none. The condition is false for long numbers, which need the full check.
    """
    if kind.kind == "integer":
        return f"(strlen({column}) < 19 AND coalesce(CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR) = {column}, false))"
    exact = f"TRY_CAST({column} AS DECIMAL(18,{places}))"
    longest = min(14, kind.precision - kind.scale) + (places + 1 if places else 0)
    short = f"strlen({column}) <= {longest} + starts_with({column}, '-')::INT"
    return f"({short} AND coalesce(CAST({exact} AS VARCHAR) = {column}, false))"


def core(column: str, rules: NumberRules) -> str:
    """Return SQL for the number without its currency sign, and with a leading `-` if it is negative."""
    text = f"replace(trim(replace({column}, chr(9), ' ')), '{_MINUS}', '-')"
    if rules.currency_signs:
        signs = "|".join(re.escape(sign) for sign in sorted(rules.currency_signs, key=len, reverse=True))
        dotted = f"WHEN regexp_matches({text}, {literal(_dotted(rules))}) THEN {text} " if _dotted(rules) else ""
        front = literal(f"^([+(-]?)[{SPACES}]*(?:{signs})[{SPACES}]*")
        back = literal(f"[{SPACES}]*(?:{signs})[{SPACES}]*([)-]?)$")
        text = (
            f"CASE {dotted}WHEN regexp_matches({text}, {front}) THEN regexp_replace({text}, {front}, '\\1') "
            f"ELSE regexp_replace({text}, {back}, '\\1') END"
        )
    if rules.parentheses:
        text = f"regexp_replace({text}, '^\\([{SPACES}]*([^()+-]+?)[{SPACES}]*\\)$', '-\\1')"
    if rules.trailing_minus:
        text = f"regexp_replace({text}, '^([^()+-]+?)[{SPACES}]*-$', '-\\1')"
    return text


def _dotted(rules: NumberRules) -> str:
    """Return a regular expression that finds a dot directly after a currency sign that ends in a letter.

    Such a dot can belong to the sign, as in `Rs.500`, or be the decimal point, as in `USD.50`. Signs that are declared
    with the dot too are left out. The expression is empty if no sign is left.
    """
    known = rules.currency_signs
    signs = "|".join(re.escape(sign) for sign in known if sign[-1].isalpha() and f"{sign}." not in known)
    return f"^[+(-]?[{SPACES}]*(?:{signs})[.]|[0-9][{SPACES}]*(?:{signs})[.][{SPACES}]*[)-]?$" if signs else ""


def evidence(core_column: str) -> dict[Separator, str]:
    """Return for each separator the SQL condition that a number proves it to be the decimal separator."""
    return {".": _proves(core_column, ".", ","), ",": _proves(core_column, ",", ".")}


def _proves(column: str, decimal: str, other: str) -> str:
    d, o = re.escape(decimal), re.escape(other)
    groups = f"[0-9]{{1,3}}({o}[0-9]{{2,3}})*{o}[0-9]{{3}}"
    forms = (
        f"{groups}{d}[0-9]+",  # both separators; the last one is the decimal separator
        f"[0-9]{{1,3}}({o}[0-9]{{2,3}})+{o}[0-9]{{3}}",  # the other separator several times, so it separates thousands
        f"[0-9]{{1,3}}([{SPACES}{APOSTROPHES}][0-9]{{3}})+{d}[0-9]+",
        f"[0-9]*{d}([0-9]{{1,2}}|[0-9]{{4,}})",  # not before three digits, so it does not separate thousands
        # The separator before three digits is the decimal separator if nothing, a leading zero, or four or more digits
        # come before it: a group of thousands cannot follow them.
        f"(0[0-9]*|[0-9]{{4,}})?{d}[0-9]{{3}}",
        f"[0-9]*{d}[0-9]+[eE][+-]?[0-9]{{1,2}}",
    )
    expression = literal(f"{_SIGN}({'|'.join(forms)})")
    return f"regexp_full_match({column}, {expression})"


def convention(rules: NumberRules, found: Mapping[Separator, int]) -> Convention:
    """Return the convention of a column: the declared convention, or the convention that the values prove.

    Args:
        found: number of values that prove each separator.
    """
    if rules.separator:
        return Convention(rules.separator)
    proven: list[Separator] = [separator for separator, count in found.items() if count]
    if len(proven) == 2:
        return Convention(".", mixed=True)
    return Convention(proven[0] if proven else None)


def plain(core_column: str, rules: NumberRules, how: Convention) -> str:
    """Return SQL for the number as `-1234.56`, with or without exponent; NULL if it does not follow the convention."""
    fits = f"regexp_full_match({core_column}, {literal(_grammar(rules, how))})"
    if how.mixed:
        fits = f"{_proves(core_column, '.', ',')} AND {fits}"
        fits = f"({fits} OR regexp_full_match({core_column}, '{_SIGN}[0-9]+{_EXPONENT}'))"
    drop = literal(f"[{SPACES}{APOSTROPHES}{'.' if how.decimal == ',' else ','}]")
    bare = f"regexp_replace({core_column}, {drop}, '', 'g')"
    pointed = f"replace({bare}, ',', '.')" if how.decimal == "," else bare
    return f"CASE WHEN {fits} THEN {pointed} END"


def _grammar(rules: NumberRules, how: Convention) -> str:
    whole = ["[0-9]+"]
    for separator in _thousands(rules, how):
        inner = "{2,3}" if separator in ".," else "{3}"
        mark = {" ": f"[{SPACES}]", "'": f"[{APOSTROPHES}]"}.get(separator, re.escape(separator))
        whole.append(f"[0-9]{{1,3}}({mark}[0-9]{inner})*{mark}[0-9]{{3}}")
    if how.decimal is None:
        return f"{_SIGN}({'|'.join(whole)}){_EXPONENT}"
    fraction = f"{re.escape(how.decimal)}[0-9]+"
    return f"{_SIGN}(({'|'.join(whole)})({fraction})?|{fraction}){_EXPONENT}"


def _thousands(rules: NumberRules, how: Convention) -> str:
    """Return the allowed thousands separators; a space stands for all spaces, an apostrophe for all apostrophes."""
    if how.mixed:
        return ""
    if rules.thousands is not None:
        return rules.thousands
    return {".": ", '", ",": ". '", None: " '"}[how.decimal]


def is_exact(plain_column: str, kind: ColumnType) -> str:
    """Return an SQL condition: the widest type that the column may get holds the number without loss."""
    scale = 0 if kind.kind == "integer" else kind.widest.scale
    mantissa, power = f"split_part(lower({plain_column}), 'e', 1)", f"split_part(lower({plain_column}), 'e', 2)"
    power = f"coalesce(TRY_CAST(ltrim({power}, '+') AS INTEGER), 0)"
    places = f"strlen(rtrim(split_part({mantissa}, '.', 2), '0')) - {power}"
    fits = "true" if kind.kind != "integer" else f"strlen({plain_column}) < 40"
    return f"({fits} AND {places} <= {scale} AND {value(plain_column, kind.widest)} IS NOT NULL)"


def value(plain_column: str, kind: ColumnType) -> str:
    """Return SQL for the plain number in the type of its column; NULL if it does not fit."""
    if kind.kind == "integer":  # NULL for more than 18 digits, because of the cast to DECIMAL(18,0)
        return f"TRY_CAST(TRY_CAST({plain_column} AS DECIMAL(18,0)) AS BIGINT)"
    return f"TRY_CAST({plain_column} AS {kind.sql})"


def number(column: str, kind: ColumnType) -> str:
    """Return SQL for the number in the helper column with the suffix `_plain`.

    The type of a `decimal` column is `OPEN_TYPE`, a placeholder until all values are checked.
    """
    if kind.kind == "decimal" and not kind.fixed:
        return f"TRY_CAST({column}_plain AS {OPEN_TYPE})"
    return value(f"{column}_plain", kind)


def why_not(name: str, column: str, kind: ColumnType, how: Convention, rules: NumberRules) -> str:
    """Return SQL for the reason why the text is not a number of its column, and for what to declare or correct.

    It uses the helper columns with the suffixes `_core` and `_plain`.
    """
    begin = f"'column ' || {literal(name)} || ': ''' || left(trim({column}), 40) || ''' "
    if kind.kind == "integer":
        size = "is not a whole number of at most 18 digits"
    else:
        widest = kind.widest
        before = widest.precision - widest.scale
        size = (
            f"has more than {before} digits before the point or more than {widest.scale} decimal places; "
            "declare decimal(p,s) or string"
        )
    cases = {f"{column}_plain IS NOT NULL": size, **_sign_reasons(f"{column}_core", rules)}
    cases |= _separator_reasons(f"{column}_core", how)
    cases[f"regexp_matches({column}_core, '[0-9]')"] = "is not a number; correct the file, or declare string in columns"
    branches = " ".join(f"WHEN {test} THEN {begin}{why.replace(chr(39), chr(39) * 2)}'" for test, why in cases.items())
    return f"CASE {branches} ELSE {begin}is not a number; if it stands for no value, declare it in null_words' END"


def _sign_reasons(core_column: str, rules: NumberRules) -> dict[str, str]:
    """Return why a number with a sign or other text beside it cannot be read: reasons by SQL condition."""
    cases = {f"regexp_matches({core_column}, {literal(INVISIBLE)})": "has an invisible character; remove it"}
    if dotted := _dotted(rules):
        cases[f"regexp_matches({core_column}, {literal(dotted)})"] = (
            "has a dot after its currency sign; if it belongs to the sign, declare the sign with it in currency_signs"
        )
    if not rules.parentheses:
        cases[_matches(core_column, "\\([^()+-]+\\)")] = "is in parentheses; declare negatives: [parentheses]"
    if not rules.trailing_minus:
        trailing = _matches(core_column, "[^()+-]*[^().,+-]-")
        cases[trailing] = "has a trailing minus; declare negatives: [trailing_minus]"
    sides, front, back = "|".join(SIDES), f"[{SPACES}]*[+-]?[.,]?[0-9]", f"[0-9][{SPACES}]*"
    side = literal(f"^[+-]?({sides})[.]?{front}|{back}({sides})[.]?$")
    cases[f"regexp_matches(lower({core_column}), {side})"] = "has a word for debit or credit; write a sign in the file"
    sign = literal(f"[\\p{{Sc}}%]|(?i:^[+-]?(?:{_CURRENCIES})[.]?{front}|{back}(?:{_CURRENCIES})[.]?$)")
    cases[f"regexp_matches({core_column}, {sign})"] = "has a currency sign; a sign must be in currency_signs"
    return cases


def _separator_reasons(core_column: str, how: Convention) -> dict[str, str]:
    """Return reasons for numbers that do not follow the convention, by SQL condition."""
    both = "is in a column with decimal commas and decimal points; correct the file"
    ambiguous = 'is ambiguous: thousands or decimal places; declare decimal: "." or decimal: ","'
    other = "has a decimal comma, spaces or thousands separators without a setting; declare decimal and thousands"
    if how.decimal:
        other = f"does not fit the decimal separator {how.decimal} of the column; declare decimal and thousands"
    cases = {}
    if how.mixed or not how.decimal:
        cases[_matches(core_column, "[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")] = both if how.mixed else ambiguous
    cases[_matches(core_column, f"[+-]?[0-9.,][0-9.,{SPACES}{APOSTROPHES}]*")] = both if how.mixed else other
    text = "has text other than a number; correct the file, or declare string in columns"
    cases[f"regexp_matches({core_column}, '[0-9].*\\p{{L}}|\\p{{L}}.*[0-9]')"] = text
    return cases


def _matches(column: str, expression: str) -> str:
    return f"regexp_full_match({column}, {literal(expression)})"
