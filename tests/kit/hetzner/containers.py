"""Simulate servers by containers with systemd as process 1, cloud-init with `user_data`, sshd and a disk for Docker.

A server has an address of 127.0.0.0/8 with the ports 22, 80 and 443, and an address on Docker's bridge. A port scan of
the second address finds all open ports that the firewall of the server allows.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from docker.types import Mount

from stack_runtime.docker_exec import execute
from tests.kit import leftovers
from tests.kit.leftovers import LABELS, OWNER

from .disks import Disks, detach_leftovers
from .layers import disk
from .machines import MachineError, Spec
from .packet_filter import packet_filter
from .server_image import server_image

LABEL = "fds.kit"
PORTS = (22, 80, 443)
RESTART: Any = {"Name": "unless-stopped"}
"""Docker's restart policy for the containers that simulate servers, so that a server that reboots starts again."""
CPU_PERIOD = 100_000
DAEMON_S = 300
"""Maximum duration of a request to the Docker daemon in seconds; a busy daemon is slow, for example while it removes a
server with its data."""
START_S = 120
GRACE_S = 30
"""Seconds that a server may take to shut down before it is killed."""
LIMIT = 2
"""Maximum number of servers at once, so that the tests also run on a small machine."""
CAPABILITIES = (
    "AUDIT_WRITE", "DAC_READ_SEARCH", "IPC_LOCK", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN", "NET_RAW", "SETFCAP",
    "SYSLOG", "SYS_ADMIN", "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE",
)  # fmt: skip
SYS_RESOURCE = 24
"""Number of the capability CAP_SYS_RESOURCE, which is needed to grow a mounted file system.

Some machines do not grant this capability.
"""
SECCOMP = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["swapon", "swapoff"], "action": "SCMP_ACT_ERRNO"}],
}
"""Seccomp profile that denies swapon and swapoff, because these would change the swap of this machine."""


class Containers:
    """The containers and disks that simulate the servers and volumes of one project; `close` removes them.

    The containers have the label `fds.kit=<id>`.
    """

    limit: int | None = LIMIT

    def __init__(self, layers: str = "") -> None:
        if os.geteuid() != 0:
            raise MachineError("servers are containers with loop devices, which needs root")
        self.client = docker.from_env(timeout=DAEMON_S)
        sweep(self.client)
        self.id = secrets.token_hex(4)
        self.folder = Path(mkdtemp(prefix="fds-kit-"))
        (self.folder / "owner").write_text(LABELS[OWNER])
        self.disks = Disks(self.folder)
        self.image = server_image(self.client)
        self._layers = layers
        self._volumes: dict[int, set[int]] = {}

    def address(self, taken: frozenset[str]) -> str:
        while True:
            parts = (random.randrange(64, 127), random.randrange(256), random.randrange(1, 255))
            address = "127." + ".".join(str(part) for part in parts)
            if address not in taken and all(_is_free(address, port) for port in PORTS):
                return address

    def container(self, server: int) -> Container:
        """Return the container of a server.

        Raises:
            MachineError: if the server has no container.
        """
        try:
            return self.client.containers.get(self._name(server))
        except NotFound:
            raise MachineError(f"server {server} has no container") from None

    def _name(self, server: int) -> str:
        return f"fds-kit-{self.id}-{server}"

    def bridge_address(self, server: int) -> str:
        """Return the server's address on Docker's bridge, where port scans find the ports that its firewall allows."""
        return str(self.container(server).attrs["NetworkSettings"]["IPAddress"])

    def create(self, spec: Spec, start: bool) -> None:
        if spec.image != "debian-12":
            raise MachineError(f"the test kit has no disk for image '{spec.image or 'snapshot'}', only debian-12")
        hardware = self._describe(spec)
        docker_disk = disk(self.client, self.image, self._layers)
        self.client.containers.create(
            self.image, name=self._name(spec.id), hostname=spec.name,
            labels={LABEL: self.id, f"{LABEL}.server": str(spec.id), **LABELS},
            cap_add=_capabilities(), security_opt=[f"seccomp={json.dumps(SECCOMP)}", "apparmor=unconfined"],
            cgroupns="private", device_cgroup_rules=["b 7:* rwm"], restart_policy=RESTART,
            tmpfs={"/run": "", "/run/lock": ""}, ports={f"{port}/tcp": (spec.address, port) for port in PORTS},
            mounts=[Mount("/hardware", str(hardware), type="bind", read_only=True), docker_disk],
            cpu_period=CPU_PERIOD, cpu_quota=_quota(spec.cores),
            mem_limit=_bytes(spec.memory_gb), memswap_limit=_bytes(spec.memory_gb),
        )  # fmt: skip
        if start:
            self.start(spec.id)

    def _describe(self, spec: Spec) -> Path:
        """Write the files that the server reads at its start (cloud-init seed, disks, firewall); return the folder."""
        folder = self._hardware(spec.id)
        folder.mkdir(exist_ok=True)
        seed = {"instance-id": f"kit-{self.id}-{spec.id}", "local-hostname": spec.name}
        (folder / "meta-data").write_text(json.dumps({**seed, "public-keys": list(spec.ssh_keys)}))
        (folder / "user-data").write_text(spec.user_data or "#cloud-config\n{}\n")
        (folder / "memory").write_text(str(_bytes(spec.memory_gb) // 1024))
        (folder / "firewall").write_text(packet_filter(spec.rules))
        self._volumes[spec.id] = set(spec.volumes)
        self._list_volumes(spec.id)
        return folder

    def _hardware(self, server: int) -> Path:
        return self.folder / f"server-{server}"

    def _list_volumes(self, server: int) -> None:
        lines = [f"{volume} {self.disks.minor(volume)}\n" for volume in sorted(self._volumes[server])]
        (self._hardware(server) / "volumes").write_text("".join(lines))

    def _apply(self, server: int) -> None:
        """Make a running server read its changed disks and firewall; a stopped server reads them at its start."""
        container = self.container(server)
        if container.status == "running":
            self.run(server, "/usr/local/sbin/hardware")

    def run(self, server: int, *command: str) -> str:
        """Run a command in the server, as on its console, and return the output.

        Raises:
            MachineError: the command failed; the error contains its output.
        """
        done = execute(self.container(server), command)
        output = (done.out + done.err).decode(errors="replace")
        if done.code != 0:
            raise MachineError(f"{' '.join(command)}: {output.strip()}")
        return output

    def start(self, server: int) -> None:
        """Start the server, and wait until systemd runs, so that a failure before that becomes a `MachineError`."""
        deadline = time.monotonic() + START_S
        with _as_machine_error():
            container = self.container(server)
            container.start()
            while container.exec_run(["test", "-d", "/run/systemd/system"]).exit_code != 0:
                container.reload()
                if container.status != "running" or time.monotonic() > deadline:
                    logs = container.logs(tail=5).decode(errors="replace").strip()
                    raise MachineError(f"server {server} does not start: {logs}")
                time.sleep(0.2)  # not shorter: each check takes 0.07 s of CPU time, which slows the start down

    def stop(self, server: int, graceful: bool) -> None:
        with _as_machine_error():
            self.container(server).stop(timeout=GRACE_S if graceful else 0)

    def resize(self, server: int, cores: int, memory_gb: float) -> None:
        memory = _bytes(memory_gb)
        (self._hardware(server) / "memory").write_text(str(memory // 1024))
        with _as_machine_error():
            self.container(server).update(
                cpu_period=CPU_PERIOD, cpu_quota=_quota(cores), mem_limit=memory, memswap_limit=memory
            )

    def delete(self, server: int) -> None:
        """Remove the container of the server, if it exists."""
        for container in _labelled(self.client, f"{LABEL}.server={server}", f"{LABEL}={self.id}"):
            with _as_machine_error():
                container.remove(force=True, v=True)
        shutil.rmtree(self._hardware(server), ignore_errors=True)
        self._volumes.pop(server, None)

    def firewall(self, server: int, rules: tuple[Mapping[str, Any], ...] | None) -> None:
        (self._hardware(server) / "firewall").write_text(packet_filter(rules))
        self._apply(server)

    def create_volume(self, volume: int, size_gb: int, filesystem: str | None) -> None:
        self.disks.create(volume, size_gb, filesystem)

    def resize_volume(self, volume: int, size_gb: int) -> None:
        self.disks.resize(volume, size_gb)

    def attach(self, volume: int, server: int, automount: bool) -> None:
        self._volumes[server].add(volume)
        self._list_volumes(server)
        self._apply(server)
        if automount:
            device, point = f"/dev/disk/by-id/scsi-0HC_Volume_{volume}", f"/mnt/HC_Volume_{volume}"
            self.run(server, "mount", "--mkdir", device, point)

    def detach(self, volume: int, server: int) -> None:
        self._volumes[server].discard(volume)
        self._list_volumes(server)
        self._apply(server)

    def delete_volume(self, volume: int) -> None:
        self.disks.delete(volume)

    def close(self) -> None:
        for container in _labelled(self.client, f"{LABEL}={self.id}"):
            container.remove(force=True, v=True)
        self.disks.close()
        shutil.rmtree(self.folder)
        self.client.close()


def _capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text()
    bounding = int(status.partition("CapBnd:")[2].split()[0], 16)
    return [*CAPABILITIES, *(["SYS_RESOURCE"] if bounding >> SYS_RESOURCE & 1 else [])]


def _quota(cores: int) -> int:
    """Return the CPU quota of a server type in microseconds per period, limited to the cores of this machine."""
    return CPU_PERIOD * min(cores, os.cpu_count() or 1)


def _bytes(memory_gb: float) -> int:
    """Return the memory of a server type in bytes."""
    return int(memory_gb * 1024**3)


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@contextmanager
def _as_machine_error() -> Iterator[None]:
    """Convert an error of the daemon to a `MachineError`."""
    try:
        yield
    except DockerException as error:
        raise MachineError(str(error)) from error


def _labelled(client: docker.DockerClient, *labels: str) -> list[Container]:
    """Return the containers, running or not, that have all these labels; ignore containers removed meanwhile."""
    return client.containers.list(all=True, filters={"label": list(labels)}, ignore_removed=True)


def sweep(client: docker.DockerClient) -> None:
    """Remove the containers and folders of killed test runs."""
    leftovers.remove(client)
    for folder in Path(gettempdir()).glob("fds-kit-*/"):
        owner = folder / "owner"
        if owner.exists() and leftovers.is_gone(owner.read_text()):
            detach_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)
