"""Test that only the clone of the repository that deployed a stack can use it, until another clone takes it over."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from infra.engine.identity import TAG
from stack_runtime import docker_owner
from tests.kit import layers
from tests.kit.ports import free_ports
from tests.kit.project import SAMPLE, Project

pytestmark = pytest.mark.timeout(900)

STACK = "two-clones"


def _settings() -> dict[str, Any]:
    return {"host": "local", "profiles": ["lean"], **free_ports()}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, client: docker.DockerClient) -> Iterator[Project]:
    """Return the clone that has deployed the stack."""
    project = Project(tmp_path_factory.mktemp("first"), STACK, _settings())
    project.clear()
    try:
        deployed = project.fds("up", timeout=1800)
        assert deployed.returncode == 0, deployed.stderr
        layers.keep(client)
        yield project
    finally:
        project.clear()


@pytest.fixture(scope="module")
def second(first: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return another clone with the same settings and passphrase, whose Pulumi state has the stack but no resources."""
    project = Project(tmp_path_factory.mktemp("second"), STACK, first.settings)
    project.stack_file.write_bytes(first.stack_file.read_bytes())
    (project.folder / ".fds" / "passphrase").write_bytes((first.folder / ".fds" / "passphrase").read_bytes())
    project.make_stack()
    return project


def _state(project: Project, *words: str) -> str:
    """Run `pulumi stack` with these words on the clone's Pulumi state. Returns: its output."""
    done = project.run("pulumi", "stack", *words, "--stack", STACK, **project.state_variables())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _own(project: Project) -> str:
    return _state(project, "tag", "get", TAG)


def _there(client: docker.DockerClient) -> dict[str, object]:
    """Return what Docker has of the stack: containers with start times, networks, volumes, image names and owner."""
    label = {"label": f"fds.stack={STACK}"}
    images = client.images.list(filters={"reference": f"fds/{STACK}-*"})
    return {
        "containers": sorted(
            (c.id, c.attrs["State"]["StartedAt"]) for c in client.containers.list(True, filters=label)
        ),
        "networks": sorted(str(network.id) for network in client.networks.list(filters=label)),
        "volumes": sorted(str(volume.name) for volume in client.volumes.list(filters=label)),
        "images": sorted(tag for image in images for tag in image.tags if tag.startswith(f"fds/{STACK}-")),
        "owner": docker_owner.owner(client, STACK),
    }


VERBS = (
    ("up",), ("down", "--volumes"), ("status",), ("exec", "postgres", "--", "true"), ("run", "--csv", str(SAMPLE)),
    ("up", "--take-over", STACK),
)  # fmt: skip
SLOW_VERBS = (
    ("preview",), ("down",), ("status", "--json"), ("doctor",), ("logs", "postgres"),
    ("down", "--volumes", "--take-over", "somebody-else"),
)  # fmt: skip


@pytest.mark.parametrize(
    "words", [*VERBS, *(pytest.param(words, marks=pytest.mark.slow) for words in SLOW_VERBS)], ids=" ".join
)
def test_command_in_another_clone_is_refused(
    first: Project, second: Project, client: docker.DockerClient, words: tuple[str, ...]
) -> None:
    before = _there(client)
    done = second.fds(words[0], *words[1:])
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"another stack {STACK}, made by {_own(first)}, has" in done.stderr
    assert f"--take-over {_own(first)}" in done.stderr
    assert "health" not in done.stdout
    assert _there(client) == before


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_plain_pulumi_in_another_clone_is_refused(
    first: Project, second: Project, client: docker.DockerClient, verb: str
) -> None:
    before = _there(client)
    done = second.engine(verb, *(["--yes", "--skip-preview"] if verb == "up" else []))
    assert done.returncode and f"made by {_own(first)}, has" in done.stdout + done.stderr, done.stdout + done.stderr
    assert _there(client) == before


def test_refused_commands_of_another_clone_do_not_change_the_stack_of_the_first_clone(first: Project) -> None:
    assert first.json("up")["changed"] == 0
    engine = first.engine("up", "--yes", "--skip-preview")
    assert engine.returncode == 0, engine.stdout + engine.stderr
    assert first.fds("doctor").returncode == 0


@pytest.mark.slow
def test_resources_of_a_killed_first_deployment_are_replaced(first: Project, client: docker.DockerClient) -> None:
    """Empty the Pulumi state, as if the first deployment had been killed before it recorded a resource there.

    The state still owns the resources: the volume that marks the owner in Docker names this state.
    """
    empty = '{"version": 3, "deployment": {"manifest": {"time": "2026-11-29T00:00:00Z", "magic": "", "version": ""}}}'
    (first.folder / "empty.json").write_text(empty)
    _state(first, "import", "--file", str(first.folder / "empty.json"))
    up = first.fds("up")
    assert up.returncode == 0 and "which an interrupted deployment left behind" in up.stderr, up.stderr
    assert first.json("up")["changed"] == 0


@pytest.mark.slow
def test_stack_deployed_by_an_earlier_version_is_kept_and_marked_with_its_owner(
    first: Project, client: docker.DockerClient
) -> None:
    """Earlier versions marked no owner in Docker. Here, the clone owns the stack: its state has the resources' ids."""
    docker_owner.release(client, STACK)
    _state(first, "tag", "rm", TAG)
    before = _there(client)["containers"]
    assert first.fds("status").returncode == 0
    assert first.json("up")["changed"] == 0
    assert _there(client)["containers"] == before
    assert docker_owner.owner(client, STACK) == _own(first)


@pytest.mark.slow
def test_another_clone_cannot_use_a_stack_deployed_by_an_earlier_version(
    first: Project, second: Project, client: docker.DockerClient
) -> None:
    docker_owner.release(client, STACK)
    before = _there(client)
    try:
        for verb in ("up", "down", "status", "doctor"):
            done = second.fds(verb)
            assert done.returncode == 3 and "made by an earlier version with another state" in done.stderr
            assert f"--take-over {STACK}" in done.stderr and _there(client) == before
    finally:
        assert first.json("up")["changed"] == 0


@pytest.mark.slow
def test_stack_is_taken_over_with_its_data_after_a_confirmation_at_a_terminal(
    first: Project, second: Project, client: docker.DockerClient
) -> None:
    run = first.json("run", "--csv", str(SAMPLE), timeout=600)
    assert run["status"] == "succeeded"
    before, former = _there(client), _own(first)
    code, said = _at_a_terminal(second, "not this one")
    assert code == 3 and _there(client) == before, said
    code, said = _at_a_terminal(second, former)
    assert code == 0, said
    after = _there(client)
    assert after["volumes"] == before["volumes"] and after["owner"] == _own(second) != former
    assert second.json("status")["last_run"]["run_id"] == run["run_id"], "the data must be kept"
    for words in (("up",), ("status",), ("down", "--volumes")):
        done = first.fds(*words)
        assert done.returncode == 3 and f"made by {_own(second)}, has" in done.stderr, done.stderr
    assert _there(client) == after and second.json("up")["changed"] == 0


@pytest.mark.slow
def test_down_with_volumes_leaves_nothing_and_frees_the_stack_name(
    first: Project, second: Project, client: docker.DockerClient
) -> None:
    assert second.fds("down").returncode == 0
    assert docker_owner.owner(client, STACK) == _own(second), "the data must still belong to the second clone"
    assert first.fds("up").returncode == 3
    assert second.fds("down", "--volumes").returncode == 0
    assert _there(client) == {"containers": [], "networks": [], "volumes": [], "images": [], "owner": None}


def _at_a_terminal(project: Project, typed: str) -> tuple[int, str]:
    """Run `fds up` at a terminal and type this answer. Returns: the exit code and the output."""
    outer, inner = pty.openpty()
    words = [sys.executable, "-m", "fds.main", "up", "--stack", STACK]
    with subprocess.Popen(
        words, cwd=project.folder, env=project.variables(), stdin=inner, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        os.close(inner)
        os.write(outer, f"{typed}\n".encode())
        said, _ = process.communicate(timeout=900)
    os.close(outer)
    return process.returncode, said
