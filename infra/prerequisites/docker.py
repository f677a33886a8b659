"""Docker: a running daemon, else, as root on Debian or Ubuntu, the distribution's own, installed and started."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from infra.prerequisites.apt import can_install, install
from infra.prerequisites.detached import alive, spawn
from infra.prerequisites.prerequisite import Installation, Say, run
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import cache_dir

START_SECONDS = 60.0
ASK_SECONDS = 5


@dataclass(frozen=True)
class Docker:
    """The daemon that `DOCKER_HOST` names, or the one at Docker's usual socket."""

    name: str = "docker"

    def find(self) -> Installation | None:
        try:
            client = docker.from_env(timeout=ASK_SECONDS)
            try:
                version = str(client.version()["Version"])
            finally:
                client.close()
        except (DockerException, OSError):
            return None
        source = "started by setup" if alive(log_file(), "dockerd") else "running"
        return Installation(version, source, os.environ.get("DOCKER_HOST", "/var/run/docker.sock"))

    def get(self, say: Say) -> Installation:
        chosen = os.environ.get("DOCKER_HOST")
        if chosen:
            raise UnreachableError(
                "Docker does not answer", where=chosen, next_command="start it, or unset DOCKER_HOST"
            )
        if shutil.which("dockerd") is None:
            if not can_install():
                raise UnreachableError(
                    "Docker is not running", next_command="install Docker and start it (docs.docker.com/engine/install)"
                )
            say("installing docker.io")
            install("docker.io")
        elif os.geteuid() != 0:
            raise UnreachableError(
                "Docker is not running, or this user may not use it", next_command="sudo systemctl start docker"
            )
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
        raise UnreachableError("Docker was started and does not answer", where=str(log_file()), next_command="read it")


def log_file() -> Path:
    """What a daemon says that setup started itself."""
    return cache_dir() / "docker" / "dockerd.log"


def start() -> None:
    """Start the daemon: as a service where an init system runs, else as a detached process of its own."""
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], what="Docker cannot be started", next_command="journalctl -u docker")
    elif Path("/proc/1/comm").read_text().strip() == "init" and Path("/etc/init.d/docker").exists():
        run(["service", "docker", "start"], what="Docker cannot be started", next_command="service docker status")
    else:
        spawn(["dockerd"], log_file())
