"""Run an image registry on this machine: the mirror of the image hub for the daemon and for servers that tests boot.

The permanent registry is read-only and listens on the bridge's address. Images are pushed through a second, short-lived
registry on the loopback interface, so that no container can change what the daemon pulls.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import docker

from infra.prerequisites.apt import can_install
from infra.prerequisites.detached import spawn, stop
from infra.prerequisites.http_probe import answers
from infra.prerequisites.prerequisite import run
from stack_runtime.docker_endpoint import local_endpoint
from stack_runtime.errors import UnreachableError
from stack_runtime.files import write_atomically
from stack_runtime.paths import cache_dir

PORTS = range(5055, 5075)
START_SECONDS = 10.0
DAEMON_CONFIG = Path("/etc/docker/daemon.json")
DAEMON_PID = Path("/var/run/docker.pid")
USUAL_SOCKETS = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")
NEXT = "apt-get install docker-registry, then fds setup"


def folder() -> Path:
    """Return the folder with the registry's images, configuration and log."""
    return cache_dir() / "registry"


def address() -> str | None:
    """Return `host:port` of the read-only registry if it answers, else None."""
    with contextlib.suppress(OSError):
        known = (folder() / "address").read_text()
        if _serves(known):
            return known
    return None


def holds(repository: str, tag: str) -> bool:
    """Return whether the registry's folder has this image; the registry need not run."""
    tags = folder() / "data" / "docker" / "registry" / "v2" / "repositories" / repository / "_manifests" / "tags"
    return (tags / tag / "current" / "link").is_file()


def serve(client: docker.DockerClient) -> str:
    """Start the read-only registry unless it runs, and return its address.

    Raises:
        UnreachableError: the registry cannot be installed or does not start.
    """
    known = address()
    if known:
        return known
    stop(folder() / "reader.log", _program())
    host = bridge(client)
    where, _ = _start(host, read_only=True)
    write_atomically(folder() / "address", where)
    return where


def bridge(client: docker.DockerClient) -> str:
    """Return the address that the daemon's machine has on Docker's default bridge.

    If this machine does not have this address, return the loopback address.
    """
    try:
        config = client.networks.get("bridge").attrs["IPAM"]["Config"]
    except docker.errors.APIError:
        return "127.0.0.1"
    for item in config or []:
        network = ip_network(item["Subnet"])
        if network.version == 4:
            # Use the first address of the subnet if the daemon names no gateway, because the daemon omits a gateway
            # that has this default address.
            own = item.get("Gateway") or str(network[1])
            return own if _free(own, 0) else "127.0.0.1"
    return "127.0.0.1"


def _free(host: str, port: int) -> bool:
    """Return whether a process can listen at this address; with port 0, whether this machine has the address at all."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def writer() -> Iterator[str]:
    """Run a second registry on the same folder while the block runs; yield its address.

    It accepts pushes, but only on the loopback interface.
    """
    stop(folder() / "writer.log", _program())  # stop a registry that a killed setup left running
    where, process = _start("127.0.0.1", read_only=False)
    try:
        yield where
    finally:
        process.terminate()
        process.wait()


def is_hub(client: docker.DockerClient, where: str) -> bool:
    """Return whether the daemon asks the registry at `where` before the hub."""
    registries = client.info().get("RegistryConfig") or {}
    return f"http://{where}" in [str(mirror).rstrip("/") for mirror in registries.get("Mirrors") or []]


def may_configure() -> bool:
    """Return whether the daemon runs on this machine and this user may change and reload its configuration."""
    return _daemon_pid() is not None


def use_as_mirror(client: docker.DockerClient, where: str) -> bool:
    """Make the daemon ask the registry at `where` before the hub, if this user may configure the daemon.

    Returns: whether the daemon now asks the registry first; always False if this user may not configure the daemon.
    """
    pid = _daemon_pid()
    if pid is None or is_hub(client, where):
        return pid is not None
    before = DAEMON_CONFIG.read_bytes() if DAEMON_CONFIG.exists() else b"{}"
    _configure(f"http://{where}")
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_hub(client, where):
            return True
        time.sleep(0.1)
    _write_config(before)  # restore the file, because a daemon does not start with a configuration that it refuses
    return False


def _daemon_pid() -> int | None:
    if os.geteuid() != 0 or local_endpoint().address not in USUAL_SOCKETS:
        return None
    try:
        pid = int(DAEMON_PID.read_text())
        program, *arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (OSError, ValueError):
        return None
    # Return None for a daemon with one of these flags. A daemon refuses a setting that is given both by a flag and in
    # the configuration file, and `--config-file` may name another file.
    flags = ("--registry-mirror", "--config-file")
    ours = Path(program).name == "dockerd" and not any(argument.startswith(flags) for argument in arguments)
    return pid if ours else None


def _configure(mirror: str) -> None:
    """Add `mirror` to the daemon's configuration, remove mirrors of earlier setups, and keep all other entries."""
    try:
        config = json.loads(DAEMON_CONFIG.read_text()) if DAEMON_CONFIG.exists() else {}
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise UnreachableError(
            "the configuration of the Docker daemon is not a JSON object",
            where=str(DAEMON_CONFIG),
            next_command="correct this file, then fds setup",
        )
    ours = tuple(f":{port}" for port in PORTS)
    others = [item for item in config.get("registry-mirrors") or [] if not str(item).rstrip("/").endswith(ours)]
    config["registry-mirrors"] = [mirror, *others]
    _write_config(json.dumps(config, indent=2).encode() + b"\n")


def _write_config(content: bytes) -> None:
    DAEMON_CONFIG.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(DAEMON_CONFIG, content)


def _program() -> str:
    """Return the path of the program `docker-registry`.

    If it is not on PATH, it is unpacked from Debian's package, without installing the package's service.
    """
    own = folder() / "docker-registry"
    on_path = shutil.which("docker-registry")
    if on_path or own.exists():
        return on_path or str(own)
    if not can_install():
        raise UnreachableError("there is no docker-registry", next_command=NEXT)
    folder().mkdir(parents=True, exist_ok=True)
    what = "docker-registry cannot be fetched"
    run(["apt-get", "update", "-q"], what=what, next_command=NEXT)
    with tempfile.TemporaryDirectory(dir=folder()) as work:
        Path(work).chmod(0o777)  # apt downloads as another user, who must be able to write into this folder
        run(["apt-get", "download", "-q", "docker-registry"], what=what, next_command=NEXT, cwd=Path(work))
        package = next(Path(work).glob("*.deb"))
        run(["dpkg-deb", "-x", package, work], what=what, next_command=NEXT)
        os.replace(Path(work) / "usr" / "bin" / "docker-registry", own)
    return str(own)


def _start(host: str, *, read_only: bool) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a registry on the first port of `PORTS` on which it can run; return its address and its process."""
    program = _program()
    folder().mkdir(parents=True, exist_ok=True)
    name = "reader" if read_only else "writer"
    for port in (port for port in PORTS if _free(host, port)):
        where = f"{host}:{port}"
        config = folder() / f"{name}.yml"
        config.write_text(_config(where, read_only=read_only))
        process = spawn([program, "serve", str(config)], folder() / f"{name}.log")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if _serves(where) and process.poll() is None:
                return where, process
            time.sleep(0.05)
    raise UnreachableError(
        "the image registry does not start", where=str(folder() / f"{name}.log"), next_command="read this log"
    )


def _serves(where: str) -> bool:
    return answers(f"http://{where}/v2/")


def _config(where: str, *, read_only: bool) -> str:
    # Write JSON, because the registry reads YAML, and JSON is valid YAML.
    return json.dumps(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(folder() / "data")},
                "maintenance": {"readonly": {"enabled": read_only}, "uploadpurging": {"enabled": False}},
            },
            "http": {"addr": where},
        }
    )
