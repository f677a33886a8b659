"""Deployments that are killed at each kind of step, until one gets through."""

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
"""Deployments that it may take; more mean that they do not converge."""


def killed_until_through(prod: Prod, only: Set[str] | None = None) -> set[str]:
    """Deploy; kill each deployment as soon as it has done what none was killed at before.

    The engine takes one step at a time here, so that no step is taken in the shadow of another's kill.

    Args:
        only: kinds of steps to be killed at; None means all.

    Returns: the kinds of steps that one was killed at: writes to the API by path, and what Docker on the server did.
    """
    at: set[str] = set()
    for _ in range(MOST):
        process = prod.start("up", "--json", PULUMI_PARALLEL="1")
        killer = _Killer(process, at, only)
        with _writes_watched(prod, killer), _docker_watched(prod, killer):
            said, complained = process.communicate(timeout=600)
        if not killer.hit:
            assert process.returncode == 0, said + complained
            return at
    raise AssertionError(f"the deployments do not converge, killed at {sorted(at)}")


def build_steps(prod: Prod) -> set[str]:
    """What Docker tells of a build: of a container for each step, but of none when the official plugin builds."""
    return {"build step"} if (prod.project.folder / ".fds" / "plugins" / "pulumi-resource-docker").exists() else set()


def killed_at(prod: Prod, step: str) -> None:
    """Deploy, and kill the deployment at this write to the API, which is seen for sure when it is the only one."""
    process = prod.start("up", PULUMI_PARALLEL="1")
    killer = _Killer(process, set(), {step})
    with _writes_watched(prod, killer):
        said, complained = process.communicate(timeout=600)
    assert killer.hit, said + complained


class _Killer:
    """Kills one deployment at the first step of a new kind."""

    def __init__(self, process: subprocess.Popen[str], at: set[str], only: Set[str] | None) -> None:
        self.hit = ""
        self._process = process
        self._at = at
        self._only = only
        self._lock = threading.Lock()

    def did(self, kind: str) -> None:
        with self._lock:
            if self.hit or kind in self._at or (self._only is not None and kind not in self._only):
                return
            if self._process.poll() is not None:
                return
            self.hit = kind
            self._at.add(kind)
            os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _writes_watched(prod: Prod, killer: _Killer) -> Iterator[None]:
    """Tell of each write after it took effect and before it is answered, so that the dead one never learns of it."""

    def written() -> None:
        prod.api.on_write(1, written)
        write = prod.api.writes()[-1]
        killer.did(f"{write.method} {re.sub('[0-9]+', 'N', write.path)}")

    prod.api.on_write(1, written)
    try:
        yield
    finally:
        prod.api.faults.clear()


@contextlib.contextmanager
def _docker_watched(prod: Prod, killer: _Killer) -> Iterator[None]:
    """Tell of each event of Docker on the server, from the moment on that it answers."""
    over = threading.Event()
    watching: list[subprocess.Popen[str]] = []

    def watch() -> None:
        while not over.wait(0.3):
            with contextlib.suppress(IndexError, MachineError):  # there is no server yet
                words = ["docker", "exec", str(prod.machines.container(prod.server.id).name)]
                words += ["docker", "events", "--format", "{{json .}}"]
                process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                watching.append(process)
                for line in process.stdout or ():
                    if line.startswith("{") and (kind := _kind(json.loads(line))):  # else Docker does not answer yet
                        killer.did(kind)

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
    """What a step of the engine did on the server; empty for anything else."""
    what, action = event["Type"], event["Action"]
    attributes = event["Actor"].get("Attributes") or {}
    service = attributes.get("fds.service")
    match what, action:
        case ("network" | "volume", "create") | ("image", "tag" | "pull"):
            return f"{what} {action}"
        case "container", "create" | "start" | "destroy" if service:
            return f"{what} {action} {'carrier' if service == 'files' else 'service'}"
        case "container", "create":
            return "build step"
    return ""
