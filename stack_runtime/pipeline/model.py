"""Define the data model of a pipeline run and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

Status = Literal["running", "succeeded", "failed", "interrupted"]

STEPS = ("extract_load", "transform", "test", "publish")


@dataclass(frozen=True)
class Rows:
    """Counts of records. In every run that publishes, `read` = `loaded` + `quarantined` + `replaced`.

    If several records of one load have the same key, only the last is loaded; `replaced` counts the others.
    """

    read: int = 0
    loaded: int = 0
    quarantined: int = 0
    replaced: int = 0

    @property
    def add_up(self) -> bool:
        return self.read == self.loaded + self.quarantined + self.replaced

    def __add__(self, other: Rows) -> Rows:
        return Rows(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Stream:
    """Counts of one stream. `table` is `schema.table`, or the stream's name if the target did not report the stream."""

    source: str
    table: str
    rows: Rows


@dataclass(frozen=True)
class Refused:
    """A refused file: none of its rows was loaded. `entity` is empty if the file was not assigned to one entity."""

    entity: str
    file: str
    reason: str


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """Result of one data check. `status` is pass, warn, fail, error or skipped.

    `metric_value` is the number of failures; `threshold` is the highest number that the test's error condition allows:
    10 for `> 10`, 9 for `>= 10`.
    """

    test_name: str
    status: str
    metric_value: float
    threshold: float

    @property
    def stops(self) -> bool:
        """Whether this result prevents publishing."""
        return self.status not in ("pass", "warn")


@dataclass(frozen=True)
class Quarantined:
    """A row that was not loaded, with the reason. `line` starts at 1; the end of `raw` may be cut off."""

    entity: str
    file: str
    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class MartDiff:
    """Differences between the published mart and the mart of the run.

    `share` is the number of added, changed and removed rows divided by the number of published rows; it is 1 if a
    column is removed or has a new type, and None for a new mart. `changed` is None if the mart has no unique key; each
    changed row is then counted as a removed row and an added row. `sums` maps each numeric column with a changed sum to
    the published sum and the new sum. `columns` has one text for each column that is added, is removed or has a new
    type.
    """

    mart: str
    key: str | None
    added: int
    changed: int | None
    removed: int
    share: float | None
    sums: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.removed or self.columns)

    def as_json(self) -> dict[str, Any]:
        sums = {name: {"published": old, "new": new} for name, (old, new) in self.sums.items()}
        return {**vars(self), "sums": sums, "columns": list(self.columns)}


@dataclass(frozen=True)
class Run:
    """A run of the pipeline and its results.

    `published` is the path of the database that the run published; None if the run has published nothing.
    """

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
    streams: tuple[Stream, ...] = ()
    files: int = 0
    """Number of files that were read or refused; the stored record does not contain it."""
    refused: tuple[Refused, ...] = ()
    diff: tuple[MartDiff, ...] | None = None
    """Changes to the published marts; None if no comparison was requested."""
    quarantined: tuple[Quarantined, ...] = field(default=(), repr=False)
    """The first quarantined rows of the run; the quarantine folder of the run has all of them."""

    def with_step(self, step: Step) -> Run:
        return replace(self, steps=(*self.steps, step))

    def as_json(self) -> dict[str, Any]:
        """Return the run as a JSON object, starting with `{run_id, status, rows, steps, checks, published}`."""
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
            "streams": [{**vars(stream), "rows": vars(stream.rows)} for stream in self.streams],
            "refused": [vars(file) for file in self.refused],
            "diff": None if self.diff is None else [mart.as_json() for mart in self.diff],
            "quarantine": [vars(row) for row in self.quarantined],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Run:
        """Return the run from a JSON object of `as_json`; `diff` and `files` are not restored."""
        finished = document["finished_at"]
        return cls(
            run_id=document["run_id"],
            started_at=datetime.fromisoformat(document["started_at"]),
            source=document["source"],
            status=document["status"],
            finished_at=datetime.fromisoformat(finished) if finished else None,
            rows=Rows(**document["rows"]),
            steps=tuple(Step(**step) for step in document["steps"]),
            checks=tuple(Check(**check) for check in document["checks"]),
            published=document["published"],
            error=document["error"],
            streams=tuple(Stream(**{**stream, "rows": Rows(**stream["rows"])}) for stream in document["streams"]),
            refused=tuple(Refused(**file) for file in document["refused"]),
            quarantined=tuple(Quarantined(**row) for row in document["quarantine"]),
        )
