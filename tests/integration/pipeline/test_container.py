"""The runner image, hardened as the stack runs it, and `fds run` from outside of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from infra.services.pipeline import SERVICE
from stack_runtime.docker_host import PROJECT
from stack_runtime.errors import UnreachableError, UsageError
from stack_runtime.pipeline.places import ROOT
from stack_runtime.pipeline.remote_run import run_in_container
from tests.integration.pipeline.conftest import rows, write_csv

STACK = f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    yield client
    client.close()


@pytest.fixture(scope="module")
def container(client: docker.DockerClient) -> Iterator[Container]:
    """The service as declared, on its own, without a server."""
    image, _ = client.images.build(path=str(ROOT), dockerfile=SERVICE.image.dockerfile, rm=True)  # type: ignore[union-attr]
    names = {volume.name: f"{STACK}-{volume.name}" for volume in SERVICE.volumes}
    found = client.containers.run(
        image.id, detach=True, user=SERVICE.user, read_only=True, cap_drop=["ALL"], network_mode="none",
        security_opt=["no-new-privileges:true"], tmpfs=dict.fromkeys(SERVICE.tmpfs, "rw,nosuid,nodev,size=256m"),
        mem_limit=f"{SERVICE.resources.memory_limit_mb}m",
        volumes={names[volume.name]: {"bind": volume.path, "mode": "rw"} for volume in SERVICE.volumes},
        labels={"fds.project": PROJECT, "fds.stack": STACK, "fds.service": SERVICE.name},
    )  # fmt: skip
    try:
        yield found
    finally:
        found.remove(force=True)
        for name in names.values():
            client.volumes.get(name).remove()


def test_the_health_check_passes_and_the_idle_runner_is_small(container: Container) -> None:
    code, output = container.exec_run(list(SERVICE.health.command))
    assert code == 0, output
    assert container.stats(stream=False)["memory_stats"]["usage"] < 64 * 2**20  # type: ignore[index]


def test_a_file_goes_in_and_the_answer_comes_out(container: Container, tmp_path: Path) -> None:
    said: list[str] = []
    file = write_csv(tmp_path / "never seen.csv", rows(1, 30))
    run, code = run_in_container(docker.from_env(), STACK, file, said.append)
    assert code == 0, run
    assert run["rows"] == {"read": 30, "loaded": 30, "quarantined": 0}
    assert said[-4:] == ["extract_load", "transform", "test", "publish"]
    _, left = container.exec_run(["find", "/data/landing", "-type", "f"])
    assert left == b""
    _, shown = container.exec_run(["stat", "-c", "%a %u", run["published"]])
    assert shown == b"644 10001\n"  # the dashboard's user reads it
    failed, code = run_in_container(
        docker.from_env(), STACK, write_csv(tmp_path / "bad.csv", rows(1, 9, "much")), said.append
    )
    assert (code, failed["status"], failed["published"]) == (6, "failed", None)
    assert container.exec_run(["python", "-m", "stack_runtime.pipeline", "history", "--last", "2", "--json"])[0] == 0


def test_what_cannot_begin_is_the_runners_own_error(container: Container, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such CSV file"):
        run_in_container(docker.from_env(), STACK, tmp_path / "missing.csv", print)
    with pytest.raises(Exception, match="no CSV file in the landing folder") as caught:
        run_in_container(docker.from_env(), STACK, None, print)
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]


def test_a_stack_that_does_not_run_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="pipeline of stack nowhere is not running"):
        run_in_container(docker.from_env(), "nowhere", write_csv(tmp_path / "a.csv", rows(1, 1)), print)
