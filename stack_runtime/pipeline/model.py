"""What a run of the pipeline is, and the JSON that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

Status = Literal["running", "succeeded", "failed", "interrupted"]

STEPS = ("extract_load", "transform", "test", "publish")


@dataclass(frozen=True)
class Rows:
    """CSV records: `read` = `loaded` + `quarantined` in every run that publishes."""

    read: int = 0
    loaded: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """One data check. `status` is pass, warn, fail, error or skipped; the check holds up to `threshold`."""

    test_name: str
    status: str
    metric_value: float
    threshold: float

    @property
    def stops(self) -> bool:
        """Whether nothing may be published because of it."""
        return self.status not in ("pass", "warn")


@dataclass(frozen=True)
class Quarantined:
    """A row that was not loaded, and why. `line` counts from 1; `raw` is cut to a bound."""

    entity: str
    file: str
    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Run:
    """One run. `published` is the path of the database that it put in place, None as long as it has not."""

    run_id: str
    started_at: datetime
    source: str
    status: Status = "running"
    finished_at: datetime | None = None
    rows: Rows = Rows()
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    published: str | None = None
    error: str = ""
    quarantined: tuple[Quarantined, ...] = field(default=(), repr=False)
    """The first of the quarantined rows; the files in the quarantine folder hold all."""

    def with_step(self, step: Step) -> Run:
        return replace(self, steps=(*self.steps, step))

    def as_json(self) -> dict[str, Any]:
        """`{run_id, status, rows, steps, checks, published}` first, then when, from what, and what went wrong."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "rows": vars(self.rows),
            "steps": [vars(step) for step in self.steps],
            "checks": [vars(check) for check in self.checks],
            "published": self.published,
            "source": self.source,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "error": self.error,
            "quarantine": [vars(row) for row in self.quarantined],
        }
