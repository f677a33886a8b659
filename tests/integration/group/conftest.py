"""Set up several stacks of one budget group on one simulated account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hcloud import Client

from infra import stack_file
from infra.component.stack import plan_for_deployment
from infra.cost.planning.model import Plan
from infra.settings import Settings
from stack_runtime.errors import StackError
from tests.kit.hetzner.api import HetznerAPI
from tests.kit.hetzner.catalogue import SNAPSHOT

RATE = "1.1637"
PRICING = json.loads((SNAPSHOT / "pricing.json").read_text())["pricing"]
OWN = "freelancer-data-stack"


@dataclass
class Group:
    """A project folder and a simulated account. `deploy` creates planned resources without Pulumi; no server boots."""

    api: HetznerAPI
    folder: Path

    @property
    def client(self) -> Client:
        return Client(token=self.api.token, api_endpoint=self.api.endpoint)

    def write(self, stack: str, **settings: Any) -> None:
        """Write the file of a stack; without further settings, the stack is on a rented server."""
        values = {"host": "hetzner", "fxRate": RATE, "fxDate": datetime.now(UTC).date().isoformat(), **settings}
        config = {f"{OWN}:{key}": value for key, value in values.items()}
        (self.folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))

    def delete(self, stack: str) -> None:
        """Delete a stack file; deployed resources keep running."""
        (self.folder / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)

    def deploy(self, stack: str) -> Plan | None:
        """Create the planned resources and return the plan; return None if the program's gate refuses the plan."""
        before = len(self.api.writes())
        try:
            settings = stack_file.read(self.folder, stack)
            plan = plan_for_deployment(settings)
        except StackError:
            assert len(self.api.writes()) == before
            return None
        if plan.server:
            self._order(settings, plan)
        return plan

    def _order(self, settings: Settings, plan: Plan) -> None:
        assert plan.server
        labels = {"project": OWN, "stack": settings.stack}
        chosen = f"project={OWN},stack={settings.stack}"
        servers = self.client.servers.get_all(label_selector=chosen)
        if not servers:
            made = self.client.servers.create(
                name=f"{OWN}-{settings.stack}",
                server_type=self.client.server_types.get_by_name(plan.server.type),
                image=self.client.images.get_by_name_and_architecture("debian-12", plan.server.architecture),
                location=self.client.locations.get_by_name(plan.server.location),
                labels=labels,
            )
            made.action.wait_until_finished()
        elif servers[0].server_type.name != plan.server.type:
            servers[0].power_off().wait_until_finished()
            kind = self.client.server_types.get_by_name(plan.server.type)
            servers[0].change_type(kind, upgrade_disk=False).wait_until_finished()
        volumes = self.client.volumes.get_all(label_selector=chosen)
        if not volumes:
            place = self.client.locations.get_by_name(plan.server.location)
            name = f"{OWN}-{settings.stack}-data"
            self.client.volumes.create(size=settings.volume_gb, name=name, location=place, labels=labels)
        elif volumes[0].size < settings.volume_gb:
            volumes[0].resize(settings.volume_gb).wait_until_finished()
        self.api.settle()

    def grow_by_hand(self, stack: str, gb: int) -> None:
        """Grow the volume of a stack as a person does in the console."""
        for volume in self.client.volumes.get_all(label_selector=f"project={OWN},stack={stack}"):
            volume.resize(volume.size + gb).wait_until_finished()

    def bill(self) -> Decimal:
        """Compute, without the planner, the monthly cost of all servers and volumes of the account in US dollars."""
        total = Decimal(0)
        for server in self.client.servers.get_all():
            place = server.location.name
            total += _usd(_price("server_types", server.server_type.name, place))
            total += _usd(_price("primary_ips", "ipv4", place))
        for volume in self.client.volumes.get_all():
            total += _usd(Decimal(PRICING["volume"]["price_per_gb_month"]["gross"]) * volume.size)
        return total


def _price(kind: str, name: str, place: str) -> Decimal:
    entry = next(one for one in PRICING[kind] if name in (one.get("name"), one.get("type")))
    return Decimal(next(one["price_monthly"]["gross"] for one in entry["prices"] if one["location"] == place))


def _usd(euros: Decimal) -> Decimal:
    return (euros * Decimal(RATE)).quantize(Decimal("0.01"), rounding=ROUND_CEILING)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """Yield a `Group` with an empty account and a project without stacks."""
    with HetznerAPI(action_seconds=0.0, rate_limit=100_000) as api:
        for name, value in api.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FDS_PROJECT_DIR", str(tmp_path))
        monkeypatch.delenv("FDS_PRICES_DIR", raising=False)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "Pulumi.yaml").write_text(f"name: {OWN}\n")
        yield Group(api, tmp_path)
