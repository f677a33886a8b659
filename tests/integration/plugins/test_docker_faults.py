"""Test the stand-in for the Docker provider after a kill of the Pulumi engine, and over SSH."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import docker
import pulumi
import pulumi_docker
import pytest
from pulumi.automation.errors import CommandError

from stack_runtime.docker_host import local_docker
from stack_runtime.errors import UnreachableError
from tests.integration.plugins.conftest import Stacks, containers
from tests.kit.engine import changes
from tests.kit.project import ROOT


def test_killed_update_leaves_no_plugin_process_and_the_next_update_succeeds(
    surroundings: dict[str, str], tmp_path: Path, daemon: docker.DockerClient, image: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    options = f"{{virtualenv: {sys.prefix}}}"
    (project / "Pulumi.yaml").write_text(f"name: killed\nruntime: {{name: python, options: {options}}}\n")
    (project / "__main__.py").write_text(
        "import pulumi_docker\n"
        f"pulumi_docker.Container('killed', image='{image}', command=['sleep', '1000'], wait=True, wait_timeout=60,\n"
        "    healthcheck={'tests': ['CMD', 'cat', '/tmp/ready'], 'interval': '1s'})\n"
    )
    run = {"cwd": project, "env": {**os.environ, **surroundings}}
    subprocess.run(["pulumi", "stack", "init", "test"], check=True, capture_output=True, **run)
    deployment = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **run
    )
    deadline = time.monotonic() + 60
    while not (made := containers(daemon, "killed-")) and time.monotonic() < deadline:
        pass
    plugin_pids = _children(deployment.pid)
    deployment.send_signal(signal.SIGKILL)
    deployment.wait()
    try:
        assert plugin_pids
        _wait_until_gone(plugin_pids)
        made[0].exec_run(["sh", "-c", "echo > /tmp/ready"])
        subprocess.run(["pulumi", "cancel", "--yes"], check=True, capture_output=True, **run)
        (project / "__main__.py").write_text("")
        subprocess.run(["pulumi", "up", "--yes", "--skip-preview"], check=True, capture_output=True, **run)
    finally:
        for each in made:
            each.remove(force=True)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _wait_until_gone(pids: list[int]) -> None:
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([descriptor], [], [], 15)[0], f"plugin {pid} still runs after the engine was killed"
        os.close(descriptor)


@pytest.mark.slow
def test_provider_over_ssh_passes_its_ssh_options_and_reports_errors_of_ssh(
    stack: Stacks, ssh_log: Path, daemon: docker.DockerClient
) -> None:
    host = "ssh://deploy@accepted:2222"

    def program() -> None:
        remote = pulumi_docker.Provider("remote", host=host, ssh_opts=["-o", "StrictHostKeyChecking=yes"])
        over = pulumi.ResourceOptions(provider=remote)
        for index in range(5):
            pulumi_docker.Network(f"n{index}", opts=over)

    ours = stack(program)
    ours.up()
    assert changes(ours.refresh()) == {}
    words = (
        "-l deploy -p 2222 -o StrictHostKeyChecking=yes -o ConnectTimeout=30 -T -- accepted docker system dial-stdio"
    )
    assert set(ssh_log.read_text().splitlines()) == {words}
    ours.destroy()
    host = "ssh://deploy@refused:2222"
    with pytest.raises(CommandError, match=r"Host key verification failed\."):
        ours.up()


def test_sdk_connects_over_ssh_with_the_ssh_program(
    ssh_log: Path, daemon: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://deploy@accepted:2222")
    with contextlib.closing(local_docker()) as client:
        assert client.info()["ID"] == daemon.info()["ID"]
    assert set(ssh_log.read_text().splitlines()) == {"-l deploy -p 2222 -- accepted docker system dial-stdio"}
    monkeypatch.setenv("DOCKER_HOST", "ssh://deploy@refused")
    with pytest.raises(UnreachableError, match=r"Docker does not answer.*unset DOCKER_HOST"):
        local_docker()


_AFTER_A_DEPLOYMENT = """
import contextlib, os, pathlib, sys
from stack_runtime.docker_host import local_docker
import pulumi
from tests.kit.engine import inline_stack

inline_stack(pathlib.Path(sys.argv[1]), "plugins-test", "ssh", lambda: pulumi.export("a", 1)).up()
os.environ["DOCKER_HOST"] = "ssh://deploy@accepted"
for _ in range(100):
    with contextlib.closing(local_docker()) as client:
        client.info()
"""
"""Program that deploys a stack without resources, and then connects to Docker 100 times over SSH."""


@pytest.mark.usefixtures("ssh_log")
@pytest.mark.slow
def test_connections_over_ssh_succeed_after_a_deployment_in_the_same_process(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    """If gRPC runs code in forked processes (see `stack_runtime/__init__.py`), about one connection in twenty fails."""
    variables = {**os.environ, **surroundings, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{surroundings['PATH']}"}
    variables.pop("GRPC_ENABLE_FORK_SUPPORT", None)
    command = [sys.executable, "-c", _AFTER_A_DEPLOYMENT, str(tmp_path)]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("ssh_log")
def test_build_over_ssh_requires_the_legacy_builder(
    stack: Stacks, daemon: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\n")
    name = image.replace("test:", "test-over-ssh:")
    build = {"context": str(tmp_path), "use_legacy_builder": False}

    def program() -> None:
        remote = pulumi_docker.Provider("remote", host="ssh://deploy@accepted")
        pulumi_docker.RemoteImage("built", name=name, build=build, opts=pulumi.ResourceOptions(provider=remote))

    with pytest.raises(CommandError, match="does not find it at the host"):
        stack(program).up()
    build["use_legacy_builder"] = True
    stack(program).up()
    assert daemon.images.get(name)
