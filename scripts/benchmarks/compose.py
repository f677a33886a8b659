"""Run the containers of the service catalogue with Docker Compose, as the reference for deployment times."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.component.containers import LOG_DRIVER, LOG_OPTIONS, SECURITY_OPTIONS, TMPFS_OPTIONS, volumes_of
from infra.services import Context, Service, selected
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from stack_runtime.errors import UnreachableError

HEALTHY_SECONDS = 300.0


class Compose:
    """A Compose project with the services, limits and health checks of the stack.

    Args:
        program: command that starts Compose, from `program()`.
        folder: an empty folder that other users cannot read, because files with secrets are written into it.
        secrets: values by name, as in the stack file.
        images: image by service; the daemon must have all images.
    """

    def __init__(
        self,
        program: Sequence[str],
        folder: Path,
        settings: Settings,
        secrets: Mapping[str, str],
        images: Mapping[str, str],
    ) -> None:
        self._services = selected(settings)
        self._name = f"{settings.stack}-compose"
        self._command = [*program, "-p", self._name, "-f", str(folder / "compose.json")]
        context = Context(settings, secrets, self._services)
        document = {
            "version": "2.4",
            "services": {
                service.name: {"image": images[service.name], **_service(service, context, folder)}
                for service in self._services
            },
            "volumes": {name: {} for name in self._volumes()},
        }
        (folder / "compose.json").write_text(json.dumps(document, indent=1))

    def up(self) -> float:
        """Start all containers. Returns: seconds until every container is healthy."""
        began = time.monotonic()
        self._run("up", "-d", "--no-build")
        client = local_docker()
        label: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={self._name}"}
        while True:
            found = [
                item.attrs["State"].get("Health", {}).get("Status") for item in client.containers.list(filters=label)
            ]
            if len(found) == len(self._services) and set(found) == {"healthy"}:
                return time.monotonic() - began
            if time.monotonic() > began + HEALTHY_SECONDS:
                what = f"the services of Compose are not healthy after {HEALTHY_SECONDS:.0f} s: {found}"
                raise UnreachableError(what, next_command="docker ps")
            time.sleep(0.1)

    def down(self) -> None:
        """Remove all containers and their data."""
        self._run("down", "--volumes", "--timeout", "20")

    def _volumes(self) -> set[str]:
        return {volume.name for volume in volumes_of(self._services).values()} - {
            f"{service.name}-files" for service in self._services
        }

    def _run(self, *words: str) -> None:
        done = subprocess.run([*self._command, *words], capture_output=True, text=True)
        if done.returncode:
            raise UnreachableError(f"Compose failed: {done.stderr.strip()[-400:]}", next_command="docker ps --all")


def program() -> list[str]:
    """Return the command of Docker's Compose plugin, or of the program `docker-compose` if the plugin is missing.

    Raises:
        UnreachableError: both are missing.
    """
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise UnreachableError("Docker Compose is not installed", next_command="apt-get install docker-compose")


def _service(service: Service, context: Context, folder: Path) -> dict[str, Any]:
    """Return the service's entry in the Compose file; dollar signs are doubled, because Compose expands variables."""
    own, health, settings = service.resources, service.health, context.settings
    mounts = [f"{volume.name}:{volume.path}:{'ro' if volume.read_only else 'rw'}" for volume in service.volumes]
    if service.files:
        mounts.append(f"{_files(service, context, folder)}:/run/fds:ro")
    entry: dict[str, Any] = {
        "command": list(service.command),
        "entrypoint": list(service.entrypoint),
        "environment": dict(service.environment(settings)),
        "user": service.user,
        "mem_limit": f"{own.memory_limit_mb}m",
        "memswap_limit": f"{own.memory_limit_mb}m",
        "mem_reservation": f"{own.memory_mb}m",
        "cpus": own.cpu_limit,
        "shm_size": f"{service.shm_mb}m" if service.shm_mb else None,
        "cap_drop": ["ALL"],
        "security_opt": SECURITY_OPTIONS,
        "read_only": True,
        "tmpfs": [f"{path}:{TMPFS_OPTIONS}" for path in service.tmpfs],
        "ports": [f"{address}:{outside}:{inside}" for address, outside, inside in service.ports(settings)],
        "volumes": mounts,
        "healthcheck": {
            "test": ["CMD", *health.command],
            "interval": f"{health.interval_s}s",
            "timeout": f"{health.timeout_s}s",
            "retries": health.retries,
            "start_period": f"{health.start_period_s}s",
        },
        "depends_on": {need: {"condition": "service_healthy"} for need in service.needs},
        "restart": "unless-stopped",
        "logging": {"driver": LOG_DRIVER, "options": LOG_OPTIONS},
    }
    given = {key: value for key, value in entry.items() if value not in (None, [], {})}
    return dict(json.loads(json.dumps(given).replace("$", "$$")))


def _files(service: Service, context: Context, folder: Path) -> Path:
    """Write the service's files into a folder that Compose mounts into the container; return this folder."""
    place = folder / service.name
    place.mkdir()
    for file in service.files:
        path = place / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content(context))
        path.chmod(0o444)
    return place
