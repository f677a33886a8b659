"""Case steps outside the conversation: other sources of settings, other stacks in the account, the policy pack."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from infra.cost.inputs import Running
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
