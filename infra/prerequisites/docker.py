"""Find a running Docker daemon; else, as root, start it. On Debian or Ubuntu, install Docker first if it is missing."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from infra.prerequisites.apt import can_install, exists, install
from infra.prerequisites.detached import alive, spawn
from infra.prerequisites.prerequisite import Installation, run
from stack_runtime.docker_endpoint import local_endpoint
from stack_runtime.docker_host import connect
from stack_runtime.docker_problems import DockerAccessError
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import cache_dir
from stack_runtime.text import Say

START_SECONDS = 60.0
ASK_SECONDS = 5


@dataclass(frozen=True)
class Docker:
    """The Docker daemon of this machine's user; see `stack_runtime.docker_endpoint`."""

    name: str = "docker"

    def find(self) -> Installation | None:
        endpoint = local_endpoint()
        try:
            with contextlib.closing(connect(endpoint, ASK_SECONDS)) as client:
                version = str(client.version()["Version"])
        except DockerAccessError:
            raise  # the daemon runs; starting another daemon would not help
        except UnreachableError:
            return None
        source = "started by setup" if alive(log_file(), "dockerd") else "running"
        return Installation(version, source, str(endpoint))

    def get(self, say: Say) -> Installation:
        endpoint = local_endpoint()
        if endpoint.chosen_by:
            connect(endpoint, ASK_SECONDS)  # if it does not answer, the error names where the endpoint was set
            return self._wait()
        if shutil.which("dockerd") is None:
            if not can_install():
                raise UnreachableError(
                    "Docker is not running", next_command="install Docker and start it (docs.docker.com/engine/install)"
                )
            say("installing docker.io")
            install("docker.io")
            if shutil.which("docker") is None and exists("docker-cli"):
                install("docker-cli")  # since Debian 13, the command `docker` is a separate package
        elif os.geteuid() != 0:
            raise UnreachableError("Docker is not running", next_command="sudo systemctl start docker")
        say("starting the daemon")
        start()
        return self._wait()

    def _wait(self) -> Installation:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = self.find()
            if found:
                return found
            time.sleep(0.2)
        raise UnreachableError("Docker was started but does not answer", where=str(log_file()), next_command="read it")


def log_file() -> Path:
    """Return the log file of a daemon that setup started."""
    return cache_dir() / "docker" / "dockerd.log"


def start() -> None:
    """Start the daemon: as a service if an init system runs, else as a detached process."""
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], what="Docker cannot be started", next_command="journalctl -u docker")
    elif Path("/proc/1/comm").read_text().strip() == "init" and Path("/etc/init.d/docker").exists():
        run(["service", "docker", "start"], what="Docker cannot be started", next_command="service docker status")
    else:
        spawn(["dockerd"], log_file())
