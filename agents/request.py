"""What a model may ask for. The only type through which its words reach the planner, so it is as narrow as can be.

There is no field for a price, a budget, a currency, a stack or an approval: whatever a model invents about those
has no place to go. Numbers must be JSON numbers; text, booleans, fractions, NaN and infinity are refused.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from infra.settings import Name

_BLANK = frozenset((0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159)).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
)
"""Characters that Python calls printable but that are invisible: fillers, blank patterns, variation selectors."""


def printable(text: str) -> str:
    """Return `text` on one line, without control and invisible characters.

    Such characters could change or hide text that a person reads before approving.
    """
    return "".join(c for c in " ".join(text.split()) if c.isprintable() and ord(c) not in _BLANK)


def visible(text: str) -> str:
    """Return `text` unchanged if it has a visible character.

    Raises:
        ValueError: it has none.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" for c in printable(text)):
        raise ValueError("the text has no visible character")
    return text


Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(visible), AfterValidator(printable)]
Text = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(visible)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9-]{2,32}$")]


class Closed(BaseModel):
    """Immutable, closed to unknown fields, and without coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScalingRequest(Closed):
    """A change of the stack's size. Leave out what shall stay as it is; give the new value, not the difference."""

    reason: Line
    """Why, in one sentence, for the person who approves."""
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many workers run jobs side by side."""
    memory_mb: Annotated[dict[Name, Annotated[int, Field(ge=16, le=1_048_576)]], Field(max_length=20)] | None = None
    """Memory reservation in MiB by name of the service."""
    cpu: (
        Annotated[dict[Name, Annotated[float, Field(ge=0.05, le=64, allow_inf_nan=False)]], Field(max_length=20)] | None
    ) = None
    """Cores that a service can count on, by its name; in hundredths."""
    volume_gb: Annotated[int, Field(ge=10, le=10_240)] | None = None
    """Size of the data volume in GB; it can only grow."""
    server_type: Code | None = None
    """A server type of the provider, or `auto` for the cheapest that fits; the server's cores come with the type."""
    profiles: Annotated[tuple[Name, ...], Strict(False), Field(max_length=20)] | None = None
    """Which groups of services run."""
    location: Code | None = None
    backups: bool | None = None
    schedule: Literal["never", "hourly", "daily", "weekly"] | None = None
    """When the pipeline loads what is new."""
    days: Annotated[int, Field(ge=1, le=92)] | None = None
    """For a temporary change: after so many days everything goes back to what it was."""

    def pairs(self) -> list[str]:
        """The same in the words of `fds scale`: `KEY=VALUE`."""
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


class Answer(Closed):
    """An answer in words, when nothing shall change or a question must be asked first."""

    text: Text


AgentRole = Literal["data_platform_engineer", "data_engineer", "analytics_engineer"]


class WorkflowRequest(Closed):
    """What a caller may send: words and a role. No history, no tool calls, no approvals can come along."""

    text: Text
    agent_role: AgentRole = "data_platform_engineer"
