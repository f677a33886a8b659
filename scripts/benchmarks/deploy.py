"""Compare the time of `fds up` with Compose for the same containers, and with the least time of the Pulumi engine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from infra import image_lock
from infra.build_context import reference
from infra.engine.environment import plugins_folder, search_path
from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from infra.services import selected
from infra.stack_file import read
from scripts.benchmarks.compose import Compose, program
from scripts.benchmarks.result import BenchmarkResult
from stack_runtime.docker_host import local_docker
from stack_runtime.errors import StackError
from stack_runtime.text import Say

COLD_RATIO = 1.3
"""For a new stack: maximum time of `fds up` until all containers are healthy, relative to the time of Compose."""
NOTHING_RATIO = 1.5
"""Maximum ratio of the time of `fds up`, if nothing has changed, to the engine's least time, which `floor` measures."""
STACK = "benchmark"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result(BenchmarkResult):
    """Durations of deployments: each list has one duration in seconds for each round.

    A ratio is calculated for each round; the reported ratio is the median over the rounds.
    """

    containers: int
    cold_seconds: list[float]
    compose_seconds: list[float]
    resources: int
    nothing_seconds: list[float]
    floor_seconds: list[float]

    @property
    def cold_ratio(self) -> float:
        return _ratio(self.cold_seconds, self.compose_seconds)

    @property
    def nothing_ratio(self) -> float:
        return _ratio(self.nothing_seconds, self.floor_seconds)

    @property
    def targets(self) -> Sequence[tuple[bool, str]]:
        limits = (
            (self.cold_ratio, COLD_RATIO, "Compose"),
            (self.nothing_ratio, NOTHING_RATIO, "the engine's floor"),
        )
        return [(ratio <= most, f"{ratio} times {what}, not {most}") for ratio, most, what in limits]

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"cold_ratio": self.cold_ratio, "nothing_ratio": self.nothing_ratio}

    def lines(self) -> list[str]:
        return [
            f"{self.containers} containers, from nothing to healthy, images present, {len(self.cold_seconds)} times",
            f"  Compose                                {median(self.compose_seconds):8.2f} s",
            f"  fds up                                 {median(self.cold_seconds):8.2f} s",
            f"  ratio (at most {COLD_RATIO})                    {self.cold_ratio:8.2f}",
            f"{self.resources} resources, nothing to change, {len(self.nothing_seconds)} times",
            f"  the engine, {self.resources} components without a provider {median(self.floor_seconds):5.2f} s",
            f"  fds up                                 {median(self.nothing_seconds):8.2f} s",
            f"  ratio (at most {NOTHING_RATIO})                    {self.nothing_ratio:8.2f}",
        ]


def measure(rounds: int, say: Say) -> Result:
    """Measure `fds up`, Compose and the engine's least time on the local Docker; then remove the benchmark's stack."""
    with tempfile.TemporaryDirectory(prefix="deploy-") as name:
        stack = _Stack(Path(name))
        try:
            return _measure(stack, Path(name), rounds, say)
        finally:
            stack.fds("down", "--volumes")
            stack.release_images()


def _measure(stack: _Stack, folder: Path, rounds: int, say: Say) -> Result:
    say("a first deployment, which creates images and secrets")
    stack.fds("up")
    stack.hold_images()
    resources = sum(stack.fds("up")["changes"].values())
    _floor(resources, folder)  # not measured, because this first deployment creates the resources
    nothing: list[float] = []
    floor: list[float] = []
    for _ in range(5 * rounds):  # 5 times as many as below, because short measurements vary a lot on a busy machine
        floor.append(_floor(resources, folder))
        nothing.append(_timed(lambda: stack.fds("up")))
        say(f"nothing to change: fds up {nothing[-1]:.2f} s, floor {floor[-1]:.2f} s")
    stack.fds("down", "--volumes")
    under_compose = folder / "compose"
    under_compose.mkdir()
    compose = Compose(program(), under_compose, stack.settings, stack.secrets(), stack.held)
    cold: list[float] = []
    composed: list[float] = []
    for _ in range(rounds):
        try:
            composed.append(compose.up())
        finally:
            compose.down()
        cold.append(_timed(lambda: stack.fds("up")))
        stack.fds("down", "--volumes")
        say(f"from nothing to healthy: fds up {cold[-1]:.2f} s, Compose {composed[-1]:.2f} s")
    return Result(len(selected(stack.settings)), cold, composed, resources, nothing, floor)


class _Stack:
    """A local stack in a separate project, with default settings but free ports, and with this repository's plugins."""

    def __init__(self, folder: Path) -> None:
        self._project = folder / "project"
        (self._project / ".fds").mkdir(parents=True)
        (self._project / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        (self._project / "infra").symlink_to(ROOT / "infra")  # Pulumi.yaml names this folder as `main`
        (self._project / ".fds" / "plugins").symlink_to(plugins_folder(ROOT))
        ports = {"httpPort": _free_port(), "httpsPort": _free_port()}
        config = {f"freelancer-data-stack:{key}": value for key, value in {"host": "local", **ports}.items()}
        (self._project / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": config}))
        self.settings = read(self._project, STACK)
        self.held: dict[str, str] = {}
        """Additional tag of each image, by service."""

    def fds(self, verb: str, *words: str) -> Any:
        """Run an `fds` verb in a new process and return its JSON.

        Raises:
            StackError: the verb failed.
        """
        command = [sys.executable, "-m", "fds.main", verb, "--stack", STACK, "--json", *words]
        answer = _run(command, self._project, {})
        return json.loads(answer)

    def secrets(self) -> dict[str, str]:
        return StackOperations(self._project, STACK, Progress(None)).secrets()

    def hold_images(self) -> None:
        """Add a second tag to the services' images, so that removing the stack between rounds does not remove them."""
        lock = image_lock.read(self._project)
        for service in selected(self.settings):
            kept = f"benchmark-kept/{service.name}"
            local_docker().images.get(reference(STACK, service.image, lock)).tag(kept)
            self.held[service.name] = f"{kept}:latest"

    def release_images(self) -> None:
        for kept in self.held.values():
            local_docker().images.remove(kept)


def _floor(resources: int, folder: Path) -> float:
    place = folder / "floor"
    place.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "scripts.benchmarks.floor", str(resources), str(place)]
    return _timed(lambda: _run(command, ROOT, {"PATH": search_path(ROOT)}))


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise StackError(
            f"exit code {done.returncode}: {(done.stderr or done.stdout)[-1000:]}", where=" ".join(command)
        )
    return done.stdout


def _timed(action: Callable[[], Any]) -> float:
    began = time.monotonic()
    action()
    return round(time.monotonic() - began, 3)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return round(median(one / other for one, other in zip(ours, theirs, strict=True)), 2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
