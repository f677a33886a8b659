"""Provide a server for stacks with the setting `host: ssh`.

The server is a container that the test kit creates directly, without a cloud API.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fds_offline import registry
from stack_runtime.docker_host import local_docker
from stack_runtime.remote import keys
from tests.e2e.conftest import LAYERS
from tests.kit.hetzner.containers import Containers
from tests.kit.hetzner.machines import MachineError, Spec
from tests.kit.project import Project

STACK = "own-server"
NUMBER = 1
PRICE = {"amount": "9.90", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-11-20"}


@dataclass
class OwnServer:
    """A server that a user already has (`host: ssh`), and the project from which the user deploys to it."""

    machines: Containers
    address: str
    project: Project

    def console(self, *command: str) -> str:
        """Run a command in the container of the server, not over SSH, and return the output."""
        return self.machines.run(NUMBER, *command)

    def succeeds(self, *command: str) -> bool:
        """Return whether a command on the server ends with exit code 0."""
        try:
            self.console(*command)
        except MachineError:
            return False
        return True

    def fingerprint(self) -> str:
        """Return the fingerprint of the host key as the owner of the server reads it on the console."""
        return self.console("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]

    def changes(self) -> list[str]:
        """Return what fds has created on the server and not removed: files, the user `deploy`, and Docker objects."""
        paths = ("/var/lib/fds", "/etc/ssh/sshd_config.d/10-fds.conf", "/home/deploy")
        found = [path for path in paths if self.succeeds("test", "-e", path)]
        found += ["user deploy"] if self.succeeds("id", "deploy") else []
        if self.succeeds("which", "docker"):
            for kind in ("container", "network", "volume"):
                words = ["ls", *(["--all"] if kind == "container" else []), "--quiet"]
                listed = self.console("docker", kind, *words, "--filter", f"label=fds.stack={STACK}")
                found += [f"{kind} {name}" for name in listed.split()]
        return found

    def images(self) -> list[str]:
        """Return the names of all images `fds/…` on the server; deployments and `make_image` create such images."""
        words = ("--filter", "reference=fds/*", "--format", "{{.Repository}}:{{.Tag}}")
        return sorted(self.console("docker", "images", *words).split())

    def make_image(self, name: str) -> None:
        """Create an image that no container uses, like an image of a deployment that was killed after its build."""
        self.console("sh", "-c", f"cd /tmp && echo {name} > made && tar c made | docker import - {name}")

    def killed_when(self, reached: Callable[[], bool]) -> None:
        """Start a deployment and kill it as soon as `reached` returns true."""
        command = [sys.executable, "-m", "fds.main", "up", "--stack", STACK]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                command, cwd=self.project.folder, env=self.project.variables(), start_new_session=True,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            while process.poll() is None and not reached():
                time.sleep(0.2)
            ended = process.poll()
            if ended is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.seek(0)
            assert ended is None, output.read()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Yield the socket of an SSH agent that holds the owner's private key; also yield the owner's public key."""
    folder = tmp_path_factory.mktemp("agent")
    private, socket = keys.generate(), folder / "agent.sock"
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_text(private)
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        try:
            while not socket.exists():
                time.sleep(0.05)
            subprocess.run(
                ["ssh-add", "-q", str(folder / "key")], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True
            )
            yield str(socket), keys.public_half(private)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(agent: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    socket, public = agent
    machines = Containers(LAYERS)
    try:
        address = machines.address(frozenset())
        spec = Spec(NUMBER, "own", address, "debian-12", 2, 4, 40, "", (public,), None, ())
        machines.create(spec, start=True)
        settings = {
            "host": "ssh", "sshHost": address, "profiles": ["lean"], "fxRate": "1.1637", "fxDate": "2026-11-20",
            "registryMirror": f"http://{registry.serve(local_docker())}",
        }  # fmt: skip
        project = Project(tmp_path_factory.mktemp("own "), STACK, settings, {"SSH_AUTH_SOCK": socket})
        found = OwnServer(machines, address, project)
        until = time.monotonic() + 180
        while not found.succeeds("test", "-e", "/run/cloud-init/result.json"):
            assert time.monotonic() < until, "cloud-init does not end"
            time.sleep(1)
        yield found
    finally:
        machines.close()
