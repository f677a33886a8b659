"""Case steps outside the conversation: other sources of settings, other stacks in the account, the policy pack."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.guard import Denied
from infra import stack_file
from infra.cost.planning.inputs import Running
from infra.policy import hygiene
from infra.policy.resources import Resource
from infra.settings import Settings
from tests.evals.world import World


class Outside:
    """Steps of a case without model or caller; each returns the expected and the actual result."""

    world: World

    def smuggle(self, row: Mapping[str, str]) -> tuple[Any, Any]:
        """Add a line to the stack file's settings, to the stack file, or to `Pulumi.yaml`."""
        path = self.world.folder / ("Pulumi.yaml" if "project" in row else "Pulumi.prod.yaml")
        text = path.read_text()
        line = f"  {row['setting']}" if "setting" in row else row.get("project", row.get("file", ""))
        path.write_text(f"{text.rstrip()}\n{line}\n")
        self.world.smuggled.append((path, text))
        return None, None

    def runs(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        """Add a running resource to the account; with `usd` None its price is unknown."""
        usd = Decimal(row["usd"]) if row["usd"] is not None else None
        found = Running(row["owner"], row.get("kind", "server"), row.get("name", "server x"), usd, usd)
        self.world.running = [*(self.world.running or []), found]
        return None, None

    def policy(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        """Judge a resource in the stack with the policy pack."""
        kind = {"container": "docker:index/container:Container", "volume": "docker:index/volume:Volume"}.get(
            row["kind"], row["kind"]
        )
        limits = {"memory": 64, "memorySwap": 64, "cpus": "1"} if row["kind"] == "container" else {}
        resource = Resource(kind, "x", {**limits, **row["props"]})
        settings = Settings.of("prod", {"host": "hetzner", "sshFrom": ["192.0.2.0/24"]})
        return row.get("gets", "refused"), "refused" if any(hygiene.problems(resource, settings)) else "allowed"

    def sold_out(self, what: str) -> tuple[Any, Any]:
        self.world.sold_out = what
        return None, None

    def edit_while_planning(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        self.world.edit_while_planning = changes
        return None, None

    def prices(self, factor: str) -> tuple[Any, Any]:
        self.world.prices = Decimal(factor)
        return None, None

    def edit(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        self.world.edit(changes)
        return None, None

    def wait(self, hours: float) -> tuple[Any, Any]:
        self.world.now += timedelta(hours=hours)
        self.world.latest = max(self.world.latest, self.world.now)
        return None, None

    def deployment(self, way: str) -> tuple[Any, Any]:
        self.world.deployment = way
        return None, None

    def restart(self, _: Any) -> tuple[Any, Any]:
        self.world.restart()
        return None, None

    def neighbour(self, _: str) -> tuple[Any, Any]:
        """Another stack comes to share the budget."""
        self.world.let_neighbour_join()
        return None, None

    def file(self, expected: dict[str, Any]) -> tuple[Any, Any]:
        """What the stack file says."""
        values = stack_file.read(self.world.folder, "prod").model_dump(mode="json", by_alias=True)
        return expected, {key: values[key] for key in expected}

    def history(self, expected: list[str]) -> tuple[Any, Any]:
        """Who did what, the oldest first."""
        lines = reversed(self.world.desk.history("prod"))
        return expected, [f"{line['event']} by {line['person']}" for line in lines]

    def tamper(self, sql: str) -> tuple[Any, Any]:
        """Somebody writes into the ledger's file itself."""
        connection = sqlite3.connect(self.world.folder / ".fds" / "agents.sqlite")
        try:
            connection.execute(sql)
            connection.commit()
        except sqlite3.Error:
            return None, None
        finally:
            connection.close()
        return None, None

    def at_once(self, row: dict[str, Any]) -> tuple[Any, Any]:
        """Runs of a model at the same moment; how many of them began."""

        async def one(who: str) -> bool:
            try:
                with self.world.purse.run(who) as run:
                    await asyncio.sleep(0.05)
                    run.usd = Decimal(row.get("costs", "0.50"))
                return True
            except Denied:
                return False

        async def every() -> list[bool]:
            return await asyncio.gather(*map(one, row["who"]))

        return row["gets"], sum(asyncio.run(every()))
