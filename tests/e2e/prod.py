"""Access the prod stack in tests: from outside, on the console of the server, and through the simulated account."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
    """A simulated Hetzner account, and a project that deploys to this account."""

    api: HetznerAPI
    project: Project

    @property
    def server(self) -> BoundServer:
        """Return the only server of the account."""
        return Client(token=self.api.token, api_endpoint=self.api.endpoint).servers.get_all()[0]

    @property
    def machines(self) -> Containers:
        """Return the containers that simulate the account's servers."""
        assert isinstance(self.api.machines, Containers)
        return self.api.machines

    def console(self, *command: str) -> str:
        """Run a command on the server without SSH and return its output."""
        return self.machines.run(self.server.id, *command)

    def docker(self, *words: str) -> list[str]:
        """Run a Docker command on the server and return the lines of its output."""
        return self.console("docker", *words).splitlines()

    def inspect(self) -> list[dict[str, Any]]:
        """Return `docker inspect` of every container on the server, running or not."""
        return list(json.loads(self.console("docker", "inspect", *self.docker("ps", "--all", "--quiet"))))

    def containers(self) -> dict[str, str]:
        """Return the container id of each service; assert that each service has exactly one container."""
        found = [(item["Config"]["Labels"].get("fds.service", "?"), item["Id"]) for item in self.inspect()]
        assert len(dict(found)) == len(found), f"doubled or foreign containers: {found}"
        return dict(found)

    def uis(self) -> list[str]:
        """Return the host names of the services that have a UI."""
        urls = [item["Config"]["Labels"].get("fds.url") for item in self.inspect()]
        return [str(urlsplit(url).hostname) for url in urls if url]

    def images(self) -> list[str]:
        """Return `name:tag` of the images on the server that were built for the stack or have no name."""
        lines = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        return sorted(line for line in lines if line.startswith(("fds/", "<none>")))

    def ssh_from(self) -> list[str]:
        """Return the networks from which the firewall allows SSH."""
        rules = Client(token=self.api.token, api_endpoint=self.api.endpoint).firewalls.get_all()[0].rules or []
        return next(list(rule.source_ips) for rule in rules if rule.port == "22")

    def resource_counts(self) -> dict[str, int]:
        """Return the number of resources of each kind that the account contains."""
        return {kind: count for kind, count in self.api.account().items() if count}

    def servers_created(self) -> int:
        """Return the number of servers that were ever created."""
        return sum(entry.path == "/servers" and entry.status == 201 for entry in self.api.writes())

    def rows(self) -> int:
        """Return the number of transactions in the published database."""
        done = self.project.fds("exec", "pipeline", "--", "python", "-c", ROWS)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def health(self) -> dict[str, str]:
        """Return the health of each service."""
        return {row["service"]: row["health"] for row in self.project.json("status")["services"]}

    def reaches_health(self, health: Mapping[str, str]) -> bool:
        """Return whether the services reach the given health within two minutes; a reboot takes less."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            done = self.project.fds("status", "--json")
            rows = json.loads(done.stdout)["services"] if done.returncode == 0 else []
            if {row["service"]: row["health"] for row in rows} == health:
                return True
            time.sleep(1)
        return False

    def recorded_containers(self) -> int:
        """Return the number of containers in the Pulumi state."""
        file = next((self.project.folder / ".fds" / "state").rglob(f"{STACK}.json"))
        resources = json.loads(file.read_text())["checkpoint"]["latest"]["resources"]
        return [item["type"] for item in resources].count("docker:index/container:Container")

    def start(self, verb: str, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command of `fds` in a new process group."""
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
        """Replace text in the project's copy of the sources."""
        file = Path(self.project.folder, path)
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def edited(self, *changes: tuple[str, str, str]) -> Iterator[None]:
        """Replace text in the project's copy of the sources, and restore the old text after the `with` block.

        Args:
            changes: path, old text and new text of each change.
        """
        with ExitStack() as restored:
            for path, old, new in changes:
                self.edit(path, old, new)
                restored.callback(self.edit, path, new, old)
            yield

    def secrets(self) -> dict[str, str]:
        """Return the API token and all decrypted secrets of the stack.

        Of a secret with several lines, return only the middle line, because the first and the last line of a key file
        are not secret.
        """
        found = json.loads(self.project.engine("config", "get", "secrets").stdout)
        values = {name: value.splitlines()[len(value.splitlines()) // 2] for name, value in found.items()}
        return {**values, "HCLOUD_TOKEN": self.api.token}

    def settings(self) -> dict[str, Any]:
        """Return the settings in the stack file."""
        return dict(yaml.safe_load(self.project.stack_file.read_text())["config"])


def assert_refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert that a command exited with `code` and printed one error with all `words` and a next command."""
    stderr = result.stderr
    assert result.returncode == code, result.stdout + stderr
    assert sum(line.startswith("fds: ") for line in stderr.splitlines()) == 1 and "next: " in stderr, stderr
    assert "Traceback" not in stderr, stderr
    for word in words:
        assert word in stderr, stderr
