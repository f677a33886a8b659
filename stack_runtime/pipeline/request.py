"""Define the options of one pipeline run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """Options of one run.

    Args:
        csv: load all rows of this file; None to load the new data of all sources, including the landing folder.
        entity: entity that the file belongs to; optional if only one entity is declared.
        source: load only this source.
        plan: compare with the published marts and publish nothing.
        approve_over: publish nothing if more than this share of the rows of a mart would change (0.1 is 10%).
    """

    csv: Path | None = None
    entity: str | None = None
    source: str | None = None
    plan: bool = False
    approve_over: float | None = None
