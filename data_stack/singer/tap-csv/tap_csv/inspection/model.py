"""Define the result of an inspection: decided settings, and open settings with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN_VALUES = 3
"""Maximum number of lines that are named as evidence for one fact."""


@dataclass(frozen=True)
class Option:
    """One answer to an open question: the entity's settings to declare, and what they mean for this file."""

    settings: Mapping[str, Any]
    means: str


@dataclass(frozen=True)
class Open:
    """A setting that the file does not decide."""

    setting: str
    why: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column. `type` is one of the types of the settings, and `decided` says why it was chosen.

    `filled` is the number of non-empty values.
    """

    name: str
    type: str
    decided: str
    filled: int


@dataclass
class Report:
    """The result of inspecting a file. `entity` has the settings to declare; it is complete if nothing is `open`."""

    file: str
    encoding: str | None = None
    delimiter: str | None = None
    header_line: int | None = None
    above: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    decimal: str | None = None
    thousands: str | None = None
    date_formats: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    bad_rows: list[dict[str, Any]] = field(default_factory=list)
    key_candidates: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    entity: dict[str, Any] = field(default_factory=dict)
    sample: list[list[str | None]] = field(default_factory=list)
    """At most ten rows as the tap would load them: the values of `loaded_columns`, as text."""
    loaded_columns: dict[str, str] = field(default_factory=dict)
    """DuckDB type of each loaded column, by the name of the column."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
