"""Determine the decimal separator of each number column from the values that prove it, unless it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tap_csv import amounts
from tap_csv.amounts import Convention, NumberRules, Separator

_SEPARATORS: tuple[Separator, ...] = (".", ",")


@dataclass(frozen=True)
class Proofs:
    """SQL for what the values of a file's number columns prove.

    `places` has the number of decimal places of plain numbers, by the field of the column. The two fields of each pair,
    debit and credit, share a separator.
    """

    rules: NumberRules
    places: Mapping[str, int]
    pairs: Sequence[tuple[str, str]]

    @property
    def conditions(self) -> dict[str, str]:
        """SQL conditions by field and separator, such as `c1,`: the row proves it. Empty if a separator is declared."""
        if self.rules.separator:
            return {}
        return {f"{column}{one}": self._proves(column, one) for column in self.places for one in _SEPARATORS}

    def conventions(self, counts: Mapping[str, int]) -> dict[str, Convention]:
        """Return the convention of each field, where `counts` has the number of rows that meet each condition."""
        found = {
            column: amounts.convention(self.rules, {one: counts.get(f"{column}{one}", 0) for one in _SEPARATORS})
            for column in self.places
        }
        for debit, credit in self.pairs:  # a separator that one column proves is valid for both
            for one, other in ((debit, credit), (credit, debit)):
                found[one] = found[other] if found[one].decimal is None else found[one]
        return found

    def needed(self, how: Mapping[str, Convention]) -> dict[str, str]:
        """Return by field, if one separator is proven, the SQL condition for rows that prove it.

        At least one of these rows must be good. A column that proves both separators is not in the result.
        """
        if self.rules.separator:
            return {}
        partners = {one: pair for pair in self.pairs for one in pair}
        return {
            column: f"({' OR '.join(self._proves(one, found.decimal) for one in partners.get(column, (column,)))})"
            for column, found in how.items()
            if found.decimal and not found.mixed
        }

    def _proves(self, column: str, separator: Separator) -> str:
        plain = "true" if separator == "." and self.places[column] else "false"
        proof = amounts.evidence(f"{column}_core")[separator]
        return f"(CASE WHEN {column}_is_plain THEN {plain} ELSE coalesce({proof}, false) END)"
