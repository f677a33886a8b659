"""Define the change that a model or a caller may request. A model's output reaches the planner only through this type.

It has no field for a price, a budget, a currency, a stack or an approval, so a model cannot supply one. Numbers must be
JSON numbers; text, booleans, fractions, NaN and infinity are rejected.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from infra.settings import Name
from stack_runtime.text import printable, require_visible

Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(require_visible), AfterValidator(printable)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9-]{2,32}$")]


class StrictModel(BaseModel):
    """An immutable model that rejects unknown fields and does not coerce types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScalingRequest(StrictModel):
    """A change of the stack's size. Omit settings that shall not change; give new values, not differences."""

    reason: Line
    """Why, in one sentence, for the person who approves."""
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Number of workers that run jobs in parallel."""
    memory_mb: Annotated[dict[Name, Annotated[int, Field(ge=16, le=1_048_576)]], Field(max_length=20)] | None = None
    """Memory reservation in MiB by service name."""
    cpu: (
        Annotated[dict[Name, Annotated[float, Field(ge=0.05, le=64, allow_inf_nan=False)]], Field(max_length=20)] | None
    ) = None
    """Reserved cores by service name, in hundredths of a core."""
    volume_gb: Annotated[int, Field(ge=10, le=10_240)] | None = None
    """Size of the data volume in GB; it can only grow."""
    server_type: Code | None = None
    """A server type of the provider, or `auto` for the cheapest that fits. The type sets the number of cores."""
    profiles: Annotated[tuple[Name, ...], Strict(False), Field(max_length=20)] | None = None
    """The groups of services to run."""
    location: Code | None = None
    backups: bool | None = None
    schedule: Literal["never", "hourly", "daily", "weekly"] | None = None
    """How often the pipeline loads new data."""
    days: Annotated[int, Field(ge=1, le=92)] | None = None
    """For a temporary change: revert it after this many days."""

    def pairs(self) -> list[str]:
        """Return the request as the `KEY=VALUE` arguments of `fds scale`."""
        named = {
            "workers": self.workers,
            "volumeGb": self.volume_gb,
            "serverType": self.server_type,
            "profiles": None if self.profiles is None else ",".join(self.profiles),
            "location": self.location,
            "backups": None if self.backups is None else str(self.backups).lower(),
            "schedule": self.schedule,
            **{f"memory.{name}": size for name, size in (self.memory_mb or {}).items()},
            **{f"cpu.{name}": f"{cores:.2f}" for name, cores in (self.cpu or {}).items()},
        }
        return [f"{key}={value}" for key, value in named.items() if value is not None]
