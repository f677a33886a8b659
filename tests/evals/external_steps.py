"""Implement the steps of an eval case that do not involve the agent, such as changes of files, prices or the clock, and
checks of the stack file, the history and the policy pack.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.server.auth import Denied
from infra import stack_file
from infra.cost.planning.inputs import Running
from infra.policy import hygiene
from infra.policy.resources import Resource
from infra.settings import Settings
from tests.evals.environment import EvalEnvironment


class ExternalSteps:
    """Each method performs one kind of step; it returns the expected and the actual result, or None for both."""

    env: EvalEnvironment

    def add_line(self, row: Mapping[str, str]) -> tuple[Any, Any]:
        """Add a line to the settings in the stack file, to the top level of the stack file, or to `Pulumi.yaml`."""
        path = self.env.folder / ("Pulumi.yaml" if "project" in row else "Pulumi.prod.yaml")
        text = path.read_text()
        line = f"  {row['setting']}" if "setting" in row else row.get("project", row.get("file", ""))
        path.write_text(f"{text.rstrip()}\n{line}\n")
        self.env.added_lines.append((path, text))
        return None, None

    def add_running(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        """Add a running resource to the account; if `usd` is None, the price is unknown."""
        usd = Decimal(row["usd"]) if row["usd"] is not None else None
        found = Running(row["owner"], row.get("kind", "server"), row.get("name", "server x"), usd, usd)
        self.env.running = [*(self.env.running or []), found]
        return None, None

    def policy(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        """Check a resource of the stack with the hygiene rules of the policy pack."""
        kind = {"container": "docker:index/container:Container", "volume": "docker:index/volume:Volume"}.get(
            row["kind"], row["kind"]
        )
        limits = {"memory": 64, "memorySwap": 64, "cpus": "1"} if row["kind"] == "container" else {}
        resource = Resource(kind, "x", {**limits, **row["props"]})
        settings = Settings.of("prod", {"host": "hetzner", "sshFrom": ["192.0.2.0/24"]})
        return row.get("expect", "refused"), "refused" if any(hygiene.problems(resource, settings)) else "allowed"

    def sold_out(self, server_type: str) -> tuple[Any, Any]:
        """Mark a server type as sold out, or all types with `all`, or no type with `nothing`."""
        self.env.sold_out = server_type
        return None, None

    def edit_while_planning(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        """Set the changes that are written into the stack file while the next plan is made."""
        self.env.edit_while_planning = changes
        return None, None

    def prices(self, factor: str) -> tuple[Any, Any]:
        """Multiply every shipped price by `factor`."""
        self.env.prices = Decimal(factor)
        return None, None

    def edit(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        """Write the changes into the stack file, as its owner would by hand."""
        self.env.edit(changes)
        return None, None

    def wait(self, hours: float) -> tuple[Any, Any]:
        """Advance the clock; negative `hours` set it back."""
        self.env.now += timedelta(hours=hours)
        self.env.latest = max(self.env.latest, self.env.now)
        return None, None

    def deployment(self, result: str) -> tuple[Any, Any]:
        """Set whether later deployments and jobs succeed (`works`) or fail (`fails`)."""
        self.env.deployment = result
        return None, None

    def restart(self, _: Any) -> tuple[Any, Any]:
        """Simulate a restart of the agents' server: what was in memory is lost."""
        self.env.restart()
        return None, None

    def join_budget_group(self, _: str) -> tuple[Any, Any]:
        """Move the stack `other` into the budget group of the stack `prod`."""
        self.env.join_budget_group()
        return None, None

    def file(self, expected: dict[str, Any]) -> tuple[Any, Any]:
        """Return the expected and the actual values of some settings in the stack file."""
        values = stack_file.read(self.env.folder, "prod").model_dump(mode="json", by_alias=True)
        return expected, {key: values[key] for key in expected}

    def history(self, expected: list[str]) -> tuple[Any, Any]:
        """Return the expected and the actual events of the history, with the person of each event, oldest first."""
        lines = reversed(self.env.changes.history("prod"))
        return expected, [f"{line['event']} by {line['person']}" for line in lines]

    def tamper(self, sql: str) -> tuple[Any, Any]:
        """Execute SQL directly on the file of the ledger; a statement that SQLite rejects has no effect."""
        file = self.env.folder / ".fds" / "agents.sqlite"
        with closing(sqlite3.connect(file)) as connection, contextlib.suppress(sqlite3.Error):
            connection.execute(sql)
            connection.commit()
        return None, None

    def simultaneous_runs(self, row: dict[str, Any]) -> tuple[Any, Any]:
        """Start a model run for each person in `who`, all at the same time; count the runs that are allowed."""

        async def start(person: str) -> bool:
            try:
                with self.env.model_budget.run(person) as run:
                    await asyncio.sleep(0.05)
                    run.usd = Decimal(row.get("costs", "0.50"))
                return True
            except Denied:
                return False

        async def start_all() -> list[bool]:
            return await asyncio.gather(*map(start, row["who"]))

        return row["expect"], sum(asyncio.run(start_all()))
