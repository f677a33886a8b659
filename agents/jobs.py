"""Work on the data that changes something: what may be asked for, and the job that a person approves.

Like a proposal, a job is carried out from the ledger, with the arguments that stand there: whatever a model says
afterwards has no place to go.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.request import Closed

Selector = Annotated[str, Field(pattern=r"^\+?[a-z][a-z0-9_]{0,60}\+?$")]
"""One dbt model, with `+` for what it is made from or what is made from it."""
DagId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$")]


class MeltanoRun(Closed):
    """Load what is new in the landing folder, build, test, and publish if every check passes."""

    tool: Literal["meltano_run"] = "meltano_run"


class DbtBuild(Closed):
    """Build the models from the data that is loaded already, test, and publish if every check passes."""

    tool: Literal["dbt_build"] = "dbt_build"
    select: Selector | None = None
    """One model, with `+` before or behind it for its neighbours; everything when it is left out."""


class DbtTest(Closed):
    """Run the tests of the models on a private copy of the published data; nothing is published."""

    tool: Literal["dbt_test"] = "dbt_test"
    select: Selector | None = None


class AirflowTrigger(Closed):
    """Start one run of a DAG."""

    tool: Literal["airflow_trigger"] = "airflow_trigger"
    dag_id: DagId


Work = Annotated[MeltanoRun | DbtBuild | DbtTest | AirflowTrigger, Field(discriminator="tool")]
WORK: dict[str, type[MeltanoRun | DbtBuild | DbtTest | AirflowTrigger]] = {
    "meltano_run": MeltanoRun,
    "dbt_build": DbtBuild,
    "dbt_test": DbtTest,
    "airflow_trigger": AirflowTrigger,
}


class Job(BaseModel):
    """What a person sees and approves. Times in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    stack: str
    person: str
    work: Work
    call_id: str
    """The call of a model that asked for it, or the job's own id; the ledger takes each once."""
    created: datetime
    expires: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of everything above."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """What would be done, in one line, from the arguments themselves."""
        arguments = self.work.model_dump(exclude={"tool"}, exclude_none=True)
        said = " ".join(f"{name}={value}" for name, value in arguments.items())
        return f"{self.work.tool} {said}".strip() + f" on stack {self.stack}"

    @property
    def told(self) -> dict[str, Any]:
        """What the history keeps of it."""
        return {"work": self.work.model_dump(mode="json")}
