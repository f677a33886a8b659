"""The prod stack on the played account, as the tests look at it: from outside, from its console, and by its account."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from hcloud import Client
from hcloud.servers import BoundServer

from tests.kit.hetzner import HetznerAPI
from tests.kit.hetzner.containers import Containers
from tests.kit.project import ON_A_SERVER, Project

STACK = "e2e-prod"
SETTINGS = {**ON_A_SERVER, "budgetUsd": "60"}
LEAN = ["pipeline", "postgres", "streamlit", "traefik"]
ROWS = "import duckdb; print(duckdb.connect('/data/published/warehouse.duckdb', read_only=True).execute(" \
       "'select count(*) from marts.fact_transactions').fetchone()[0])"  # fmt: skip


@dataclass
class Prod:
    """One account with one project that deploys to it."""

    api: HetznerAPI
    project: Project

    @property
    def server(self) -> BoundServer:
        """The server, as the account tells of it."""
        return Client(token=self.api.token, api_endpoint=self.api.endpoint).servers.get_all()[0]

    @property
    def machines(self) -> Containers:
        """Where the server runs."""
        assert isinstance(self.api.machines, Containers)
        return self.api.machines

    def console(self, *command: str) -> str:
        """What a command says on the server, without SSH."""
        return self.machines.run(self.server.id, *command)

    def docker(self, *words: str) -> list[str]:
        """Lines of a Docker command on the server."""
        return self.console("docker", *words).splitlines()

    def inspect(self) -> list[dict[str, Any]]:
        """Everything that Docker on the server says of each container, running or not."""
        return list(json.loads(self.console("docker", "inspect", *self.docker("ps", "--all", "--quiet"))))

    def containers(self) -> dict[str, str]:
        """Id of the container of each service; each has one, or the answer would be ambiguous."""
        found = [(item["Config"]["Labels"].get("fds.service", "?"), item["Id"]) for item in self.inspect()]
        assert len(dict(found)) == len(found), f"doubled or foreign containers: {found}"
        return dict(found)

    def uis(self) -> list[str]:
        """Names under which a person opens the UIs."""
        urls = [item["Config"]["Labels"].get("fds.url") for item in self.inspect()]
        return [str(urlsplit(url).hostname) for url in urls if url]

    def images(self) -> list[str]:
        """Our own images on the server by name and tag, and those without a name."""
        lines = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        return sorted(line for line in lines if line.startswith(("fds/", "<none>")))

    def ssh_from(self) -> list[str]:
        """From where the firewall lets SSH in."""
        rules = Client(token=self.api.token, api_endpoint=self.api.endpoint).firewalls.get_all()[0].rules or []
        return next(list(rule.source_ips) for rule in rules if rule.port == "22")

    def in_account(self) -> dict[str, int]:
        """How many of each kind the account holds, of kinds that it holds any of."""
        return {kind: count for kind, count in self.api.account().items() if count}

    def ordered(self) -> int:
        """How many servers were ever made."""
        return sum(entry.path == "/servers" and entry.status == 201 for entry in self.api.writes())

    def rows(self) -> int:
        """Transactions in the published file."""
        done = self.project.fds("exec", "pipeline", "--", "python", "-c", ROWS)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def health(self) -> dict[str, str]:
        """Health by service."""
        return {row["service"]: row["health"] for row in self.project.json("status")["services"]}

    def becomes(self, health: Mapping[str, str]) -> bool:
        """Whether the services are as healthy within two minutes, which a server that has just started needs."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            done = self.project.fds("status", "--json")
            rows = json.loads(done.stdout)["services"] if done.returncode == 0 else []
            if {row["service"]: row["health"] for row in rows} == health:
                return True
            time.sleep(1)
        return False

    def recorded(self) -> int:
        """How many containers the engine believes in."""
        file = next((self.project.folder / ".fds" / "state").rglob(f"{STACK}.json"))
        resources = json.loads(file.read_text())["checkpoint"]["latest"]["resources"]
        return [item["type"] for item in resources].count("docker:index/container:Container")

    def start(self, verb: str, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a verb of the command line in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "fds.main", verb, "--stack", self.project.stack, *words],
            cwd=self.project.folder,
            env=self.project.variables(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Change the project's own sources."""
        file = Path(self.project.folder, path)
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def edited(self, *changes: tuple[str, str, str]) -> Iterator[None]:
        """Change the project's own sources (`path, old, new`), for as long as the block runs."""
        for path, old, new in changes:
            self.edit(path, old, new)
        try:
            yield
        finally:
            for path, old, new in changes:
                self.edit(path, new, old)

    def secrets(self) -> dict[str, str]:
        """Every secret of the stack in the clear, and its token; of keys in PEM form a line from their middle."""
        found = json.loads(self.project.engine("config", "get", "secrets").stdout)
        values = {name: value.splitlines()[len(value.splitlines()) // 2] for name, value in found.items()}
        return {**values, "HCLOUD_TOKEN": self.api.token}

    def settings(self) -> dict[str, Any]:
        """What the stack file says."""
        return dict(yaml.safe_load(self.project.stack_file.read_text())["config"])


def refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The command ended with `code` and one error, which holds `words` and a way on."""
    said = result.stderr
    assert result.returncode == code, result.stdout + said
    assert sum(line.startswith("fds: ") for line in said.splitlines()) == 1 and "next: " in said, said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said
