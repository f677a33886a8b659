"""Test that a test run removes what killed test runs left in Docker, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys

import docker

from stack_runtime.docker_host import local_docker
from tests.kit import leftovers
from tests.kit.project import ROOT
from tests.kit.service import created

PROGRAM = """
import time
from tests.kit.service import created
with created("redis") as running:
    running.container.update(restart_policy={"Name": "unless-stopped"})
    running.container.start()
    print(running.network.name, flush=True)
    time.sleep(600)
"""


def found(client: docker.DockerClient, name: str) -> set[str]:
    """Return the kinds of objects that exist for the test run with this network."""
    mounts = [f"{name}-files", f"{name}-redis"]
    volumes = [each.name for each in client.volumes.list() if each.name in mounts]
    containers = client.containers.list(all=True, filters={"volume": mounts}, ignore_removed=True)
    networks = client.networks.list(names=[name])
    return {kind for kind, each in {"container": containers, "network": networks, "volume": volumes}.items() if each}


def test_objects_of_a_killed_test_run_are_removed_and_those_of_a_running_one_are_kept() -> None:
    client = local_docker()
    run = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    killed = run.stdout.readline().strip()
    everything = {"container", "network", "volume"}
    assert found(client, killed) == everything
    with created("redis") as own:
        leftovers.remove(client)
        assert found(client, killed) == everything, "the run has not ended"
        run.send_signal(signal.SIGKILL)
        run.wait(30)
        leftovers.remove(client)
        assert found(client, killed) == set()
        assert found(client, own.network.name) == everything
