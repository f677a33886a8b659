"""What one run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What one run is asked for.

    Args:
        csv: load this file whole, instead of what is new in the landing folder and in other sources.
        entity: what the file holds; it may be left out if only one entity is declared.
        source: load this source alone.
        plan: compare with what is published, and publish nothing.
        approve_over: publish nothing if more than this share of the rows of a mart would change.
    """

    csv: Path | None = None
    entity: str | None = None
    source: str | None = None
    plan: bool = False
    approve_over: float | None = None
