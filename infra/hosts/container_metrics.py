#!/usr/bin/python3
"""Write memory and CPU of each stack's containers into a volume that the stack's node exporter reads.

    fds-container-metrics            measure once
    fds-container-metrics install    install and start a systemd timer that measures every 30 seconds
    fds-container-metrics remove     remove the timer and this program

It runs as root on the machine with Docker, so that no container needs Docker's socket. It is copied to servers, so it
uses only the standard library, and nothing newer than Python 3.8.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

PROJECT_LABEL, STACK_LABEL, SERVICE_LABEL = "fds.project", "fds.stack", "fds.service"
VOLUME = "container-metrics"
"""Last part of the volume's name, after project and stack."""
FILE = "containers.prom"
SOCKET = "/var/run/docker.sock"
TIMEOUT_S = 10.0
"""Longest wait for one answer of Docker."""
FAILURES = (OSError, ValueError, http.client.HTTPException)
"""Exceptions that a request to Docker or a write to a file can raise."""
AT_ONCE = 16
"""Number of containers whose values are requested in parallel. Docker 20.10 answers such a request only at the next
full second, so one request after the other would take too long."""
SYSTEMD = Path("/run/systemd/system")
PROGRAM = Path("/usr/local/sbin/fds-container-metrics")
TIMER = Path("/etc/systemd/system/fds-container-metrics.timer")
UNITS = {
    TIMER.with_suffix(
        ".service"
    ): f"""[Unit]
Description=Memory and CPU of the containers, for Prometheus

[Service]
Type=oneshot
ExecStart={PROGRAM}
TimeoutStartSec=25
Nice=10
MemoryMax=64M
NoNewPrivileges=yes
PrivateNetwork=yes
ProtectSystem=full
# Only failures are logged, not each run.
SyslogLevel=warning
LogLevelMax=notice
""",
    TIMER: """[Unit]
Description=Measure the containers every 30 seconds

[Timer]
OnCalendar=*:*:0/30
AccuracySec=1s

[Install]
WantedBy=timers.target
""",
}

METRICS = (
    ("container_cpu_usage_seconds_total", "counter", "Processor time since the start of the container, in seconds."),
    ("container_memory_working_set_bytes", "gauge", "Memory in use without the inactive page cache."),
    ("container_memory_total_active_file_bytes", "gauge", "Active page cache, which the kernel can reclaim too."),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit of the container."),
)
"""Name, type and help of each metric; names and meanings are those of cAdvisor."""


class Sample(NamedTuple):
    """Labels of one container, and its values in the order of `METRICS`."""

    labels: dict[str, str]
    values: tuple[float, float, float, float]


class Docker(http.client.HTTPConnection):
    """Connection to Docker's API at its socket."""

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self.path)

    def ask(self, path: str) -> Any:
        """Return the JSON at `path`; None if the object is gone or does not run.

        Raises:
            OSError: Docker does not answer, or answers with a status other than 200, 404 and 409.
        """
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status in (404, 409):
            return None
        if answer.status != 200:
            raise OSError(f"Docker answers {answer.status} to {path}")
        return json.loads(body)

    def listed(self, path: str, *labels: str) -> Any:
        """Return the JSON at `path`, limited to objects that have all these labels, each `NAME` or `NAME=VALUE`."""
        return self.ask(f"{path}?filters={quote(json.dumps({'label': labels}))}")


def folders(docker: Docker) -> Iterator[tuple[str, str, Path]]:
    """Yield project, stack and folder of each volume for the metrics of containers."""
    for volume in docker.listed("/volumes", PROJECT_LABEL, STACK_LABEL)["Volumes"] or []:
        project, stack = volume["Labels"][PROJECT_LABEL], volume["Labels"][STACK_LABEL]
        if volume["Name"] == f"{project}-{stack}-{VOLUME}":
            yield project, stack, Path(volume["Mountpoint"])


def samples(docker: Docker, project: str, stack: str) -> list[Sample]:
    """Return a sample of each running container of a stack; a container that ends during the call is left out."""
    of_stack = (f"{PROJECT_LABEL}={project}", f"{STACK_LABEL}={stack}", SERVICE_LABEL)
    running = docker.listed("/containers/json", *of_stack)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        every = list(pool.map(lambda container: _sample(docker.path, container), running))
    return [sample for sample in every if sample is not None]


def _sample(path: str, container: dict[str, Any]) -> Sample | None:
    """Return a sample of a container, through a connection of its own to Docker's socket."""
    with closing(Docker(path)) as docker:
        stats = docker.ask(f"/containers/{quote(container['Id'])}/stats?stream=false&one-shot=true")
    values = _values(stats or {})
    if values is None:
        return None
    return Sample({"name": container["Names"][0].lstrip("/"), "service": container["Labels"][SERVICE_LABEL]}, values)


def _values(stats: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Return the values of `METRICS` from Docker's answer; None for a stopped container, which uses no memory."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    prefix = "total_" if "total_inactive_file" in detail else ""  # in cgroup v1, `total_` includes child groups
    inactive, active = (detail.get(prefix + kind, 0) for kind in ("inactive_file", "active_file"))
    seconds = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return seconds, max(0, memory["usage"] - inactive), active, memory["limit"]


def render(found: Sequence[Sample]) -> str:
    """Return samples in Prometheus' text format."""
    lines = []
    for position, (name, kind, text) in enumerate(METRICS):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for sample in found:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(sample.labels.items()))
            lines.append(f"{name}{{{labels}}} {sample.values[position]!r}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def replace(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader finds the old or the new content, even if this program is killed.

    The new content is first written to a draft, whose name the node exporter does not read. The draft of a killed call,
    even if it is a link, is removed first.
    """
    draft = path.with_name(f".{path.name}.new")
    if os.path.lexists(draft):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as stream:
        os.fchmod(stream.fileno(), 0o644)  # readable for the exporter, which runs as another user
        stream.write(text.encode("utf-8", "replace"))
    draft.replace(path)


def measure(docker: Docker) -> list[str]:
    """Write the metrics file of each stack. Returns: a sentence for each stack whose file was not written."""
    failures = []
    for project, stack, folder in list(folders(docker)):
        try:
            replace(folder / FILE, render(samples(docker, project, stack)))
        except FAILURES as error:
            failures.append(f"stack {stack}: {error}")
            docker.close()  # a failed request makes the connection unusable; the next one opens a new connection
    return failures


def install() -> list[str]:
    """Write the systemd units of `UNITS` that are missing or differ on this machine, and start the timer.

    Returns: the reason why the containers are not measured, in a list; an empty list on success.
    """
    if not SYSTEMD.is_dir():
        return ["the server has no systemd, so its containers are not measured"]
    changed = [path for path, text in UNITS.items() if not _has(path, text)]
    for path in changed:
        replace(path, UNITS[path])
    if changed:
        _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", TIMER.name)
    _systemctl("restart" if changed else "start", TIMER.name)
    return []


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def remove() -> list[str]:
    """Stop the timer, and remove its units and this program; ignore what is missing."""
    if TIMER.exists():
        _systemctl("disable", "--quiet", "--now", TIMER.name)
    for path in (*UNITS, PROGRAM):
        path.unlink(missing_ok=True)
    if SYSTEMD.is_dir():
        _systemctl("daemon-reload")
    return []


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True)


def main(words: Sequence[str]) -> int:
    """Run one verb and print what failed. Returns: the exit code."""
    verbs = {"": lambda: measure(Docker()), "install": install, "remove": remove}
    verb = " ".join(words)
    if verb not in verbs:
        print("usage: fds-container-metrics [install|remove]", file=sys.stderr)
        return 2
    try:
        failures = verbs[verb]()
    except (*FAILURES, subprocess.CalledProcessError) as error:
        failures = [f"containers are not measured: {error or type(error).__name__}"]
    for text in failures:
        print(text, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
