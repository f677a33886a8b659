"""Define jobs: loads, builds, tests and Airflow runs that a person must approve.

A job runs with the arguments stored in the ledger. Later output of a language model cannot change them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.changes.request import StrictModel
from agents.digests import digest_of

Selector = Annotated[str, Field(pattern=r"^\+?[a-z][a-z0-9_]{0,60}\+?$")]
"""Name of one dbt model; `+` before it adds all its ancestors, `+` after it adds all its descendants."""
DagId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$")]


class MeltanoRun(StrictModel):
    """Load what is new in all sources, build and test the models, and publish the data if every check passes."""

    tool: Literal["meltano_run"] = "meltano_run"


class DbtBuild(StrictModel):
    """Build the models from loaded data, test them, and publish the data if every check passes."""

    tool: Literal["dbt_build"] = "dbt_build"
    select: Selector | None = None
    """One model, with `+` before it for its ancestors or after it for its descendants; None for all models."""


class DbtTest(StrictModel):
    """Run the tests of the models on a private copy of the published data; publish nothing."""

    tool: Literal["dbt_test"] = "dbt_test"
    select: Selector | None = None


class AirflowTrigger(StrictModel):
    """Start one run of a DAG."""

    tool: Literal["airflow_trigger"] = "airflow_trigger"
    dag_id: DagId


Work = Annotated[MeltanoRun | DbtBuild | DbtTest | AirflowTrigger, Field(discriminator="tool")]
WORK_TYPES: dict[str, type[MeltanoRun | DbtBuild | DbtTest | AirflowTrigger]] = {
    "meltano_run": MeltanoRun,
    "dbt_build": DbtBuild,
    "dbt_test": DbtTest,
    "airflow_trigger": AirflowTrigger,
}


class Job(BaseModel):
    """A job, as shown to the person who approves it. Times are in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    stack: str
    person: str
    work: Work
    call_id: str
    """Id of the tool call by which a language model requested the job; without such a call, the id of the job.

    The ledger accepts each id only once, so one call cannot create two jobs.
    """
    created: datetime
    expires: datetime

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all fields."""
        return digest_of(self)

    @property
    def text(self) -> str:
        """Return the tool, its arguments and the stack as one line of text."""
        arguments = self.work.model_dump(exclude={"tool"}, exclude_none=True)
        words = " ".join(f"{name}={value}" for name, value in arguments.items())
        return f"{self.work.tool} {words}".strip() + f" on stack {self.stack}"

    @property
    def history_fields(self) -> dict[str, Any]:
        """Return the fields that the history stores."""
        return {"work": self.work.model_dump(mode="json")}
