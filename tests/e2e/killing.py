"""Deploy repeatedly, and kill each deployment at a new kind of step, until one completes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Set
from typing import Any

from tests.e2e.prod import Prod
from tests.kit.hetzner.machines import MachineError

MOST = 40
"""Maximum number of deployments; if none of these completes, the deployments do not converge."""


def deploy_with_kills(prod: Prod, only: Set[str] | None = None) -> set[str]:
    """Deploy until a deployment completes. Kill each deployment after its first step of a new kind, if it has one.

    A kind is new if no earlier deployment was killed at it. Pulumi runs one step at a time, so that a kill at one
    step does not hide a simultaneous step.

    Args:
        only: kinds of steps at which to kill; None means all kinds.

    Returns: the kinds of steps at which a deployment was killed, such as `POST /servers` for a request to the API, and
    `network create` for a step of Docker on the server.
    """
    killed_steps: set[str] = set()
    for _ in range(MOST):
        process = prod.start("up", "--json", PULUMI_PARALLEL="1")
        killer = Killer(process, killed_steps, only)
        with report_writes(prod, killer), _report_docker_events(prod, killer):
            stdout, stderr = process.communicate(timeout=600)
        if not killer.hit:
            assert process.returncode == 0, stdout + stderr
            return killed_steps
    raise AssertionError(f"the deployments do not converge, killed at {sorted(killed_steps)}")


def build_steps(prod: Prod) -> set[str]:
    """Return `{"build step"}` if the stand-in for the Docker provider builds the images; otherwise an empty set.

    Only the stand-in runs a container for each step of a build.
    """
    return {"build step"} if (prod.project.folder / ".fds" / "plugins" / "pulumi-resource-docker").exists() else set()


def kill_at(prod: Prod, step: str) -> None:
    """Deploy one step at a time, and kill the deployment at the write request `step`, such as `POST /servers`."""
    process = prod.start("up", PULUMI_PARALLEL="1")
    killer = Killer(process, set(), {step})
    with report_writes(prod, killer):
        stdout, stderr = process.communicate(timeout=600)
    assert killer.hit, stdout + stderr


class Killer:
    """Kill one deployment at the first step whose kind is not in `killed_steps`, and add the kind to this set.

    Args:
        only: kinds of steps at which to kill; None means all kinds.
    """

    def __init__(self, process: subprocess.Popen[str], killed_steps: set[str], only: Set[str] | None) -> None:
        self.hit = ""
        self._process = process
        self._killed_steps = killed_steps
        self._only = only
        self._lock = threading.Lock()

    def report(self, kind: str) -> None:
        with self._lock:
            if self.hit or kind in self._killed_steps or (self._only is not None and kind not in self._only):
                return
            if self._process.poll() is not None:
                return
            self.hit = kind
            self._killed_steps.add(kind)
            os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def report_writes(prod: Prod, killer: Killer) -> Iterator[None]:
    """Report each write request to `killer` after its effect but before the response.

    A deployment that is killed at this moment never gets the response.
    """

    def written() -> None:
        prod.api.on_write(1, written)
        write = prod.api.writes()[-1]
        killer.report(f"{write.method} {re.sub('[0-9]+', 'N', write.path)}")

    prod.api.on_write(1, written)
    try:
        yield
    finally:
        prod.api.faults.clear()


@contextlib.contextmanager
def _report_docker_events(prod: Prod, killer: Killer) -> Iterator[None]:
    """Watch Docker's events on the server. If a deployment step caused an event, report the step to `killer`."""
    over = threading.Event()
    watching: list[subprocess.Popen[str]] = []

    def watch() -> None:
        while not over.wait(0.3):
            with contextlib.suppress(IndexError, MachineError):  # no server exists yet
                words = ["docker", "exec", str(prod.machines.container(prod.server.id).name)]
                words += ["docker", "events", "--format", "{{json .}}"]
                process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                watching.append(process)
                for line in process.stdout or ():
                    # Lines that do not begin with a brace are errors while Docker starts.
                    if line.startswith("{") and (kind := _kind(json.loads(line))):
                        killer.report(kind)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        while thread.is_alive():
            for process in watching:
                process.terminate()
            thread.join(0.2)
        for process in watching:
            process.wait()


def _kind(event: dict[str, Any]) -> str:
    """Return the kind of deployment step that caused a Docker event, or an empty string for other events."""
    what, action = event["Type"], event["Action"]
    attributes = event["Actor"].get("Attributes") or {}
    service = attributes.get("fds.service")
    match what, action:
        case ("network" | "volume", "create") | ("image", "tag" | "pull"):
            return f"{what} {action}"
        case "container", "create" | "start" | "destroy" if service:
            return f"{what} {action} {'uploader' if service == 'files' else 'service'}"
        case "container", "create":
            return "build step"
    return ""
