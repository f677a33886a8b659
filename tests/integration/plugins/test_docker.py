"""Test the stand-in for the Docker provider with the real Pulumi engine and a real Docker daemon."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import docker
import pulumi
import pulumi_docker
import pytest
from docker.models.containers import Container
from pulumi.automation.errors import CommandError

from tests.integration.plugins.conftest import Stacks, containers
from tests.kit.engine import changes

INPUTS: dict[str, Any] = {
    "command": ["sleep", "1000"],
    "user": "1000:1000",
    "restart": "unless-stopped",
    "memory_reservation": 16,
    "cpus": "0.5",
    "cpu_shares": 512,
    "shm_size": 16,
    "init": True,
    "hostname": "web",
    "working_dir": "/tmp",
    "network_mode": "bridge",
    "ports": [{"internal": 80, "ip": "127.0.0.1"}, {"internal": 81, "ip": "127.0.0.1"}],
    "mounts": [{"type": "tmpfs", "target": "/m", "tmpfs_options": {"size_bytes": 1048576}}],
    "tmpfs": {"/run": "rw,noexec"},
    "read_only": True,
    "capabilities": {"adds": ["CAP_CHOWN"], "drops": ["ALL"]},
    "security_opts": ["no-new-privileges:true"],
    "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
    "hosts": [{"host": "other", "ip": "10.1.1.1"}],
    "dns": ["127.0.0.11"],
    "log_driver": "json-file",
    "log_opts": {"max-size": "1m"},
    "labels": [{"label": "x", "value": "y"}],
    "healthcheck": {"tests": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 2},
    "wait": True,
    "wait_timeout": 30,
    "destroy_grace_seconds": 0,
}
"""Inputs of the container that do not refer to another resource."""


class ContainerProgram:
    """A program whose container can be changed between updates."""

    def __init__(self, image: str, **container: Any) -> None:
        self.image = image
        self.container: dict[str, Any] = {"memory": 32, "memory_swap": 64, **container}

    def __call__(self) -> None:
        network = pulumi_docker.Network("net", labels=[{"label": "a", "value": "b"}])
        volume = pulumi_docker.Volume("data")
        image = pulumi_docker.RemoteImage("image", name=self.image, keep_locally=True)
        attached = {
            "envs": ["A=1", pulumi.Output.secret("B=hidden")],
            "networks_advanced": [{"name": network.name, "aliases": ["web", "www"]}],
            "volumes": [{"volume_name": volume.name, "container_path": "/data", "read_only": True}],
        }
        web = pulumi_docker.Container(
            "web",
            image=image.image_id,
            **{**INPUTS, **attached, **self.container},
            opts=pulumi.ResourceOptions(delete_before_replace=False),
        )
        pulumi.export("name", web.name)
        pulumi.export("id", web.id)


@pytest.mark.slow
def test_stack_is_previewed_created_refreshed_and_destroyed(
    stack: Stacks, daemon: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    before, networks = {each.id for each in containers(daemon)}, _networks(daemon)
    definition = ContainerProgram(image)
    ours = stack(definition)

    assert ours.preview().change_summary == {"create": 5}
    assert {each.id for each in containers(daemon)} == before, "the preview created a container"

    made = ours.up()
    assert changes(made) == {"create": 5}
    assert "hidden" not in made.stdout
    assert not [f for f in (tmp_path / "state").rglob("*.json") if "hidden" in f.read_text()], "unencrypted secret"
    (container,) = [each for each in containers(daemon) if each.id not in before]
    host = container.attrs["HostConfig"]
    assert made.outputs["id"].value == container.id
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (32 * 2**20, 64 * 2**20, 500_000_000)
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Init"]) == (True, ["ALL"], True)
    assert container.attrs["State"]["Health"]["Status"] == "healthy"
    (attached,) = container.attrs["NetworkSettings"]["Networks"].values()
    assert {"web", "www"} <= set(attached["Aliases"])
    assert "B=hidden" in container.attrs["Config"]["Env"]

    assert changes(ours.up()) == {}, "the second update changed a resource"
    assert changes(ours.refresh()) == {}, "the refresh reported a change although nothing changed"
    assert changes(ours.up()) == {}

    container.update(mem_limit="48m", memswap_limit="64m")
    assert changes(ours.refresh()) == {"update": 1}, "the refresh missed the changed memory limit"
    assert changes(ours.up()) == {"update": 1}
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 32 * 2**20

    container.remove(force=True)
    assert changes(ours.refresh()) == {"delete": 1}, "the refresh missed the removed container"
    assert changes(ours.up()) == {"create": 1}

    assert changes(ours.destroy()) == {"delete": 5}
    assert {each.id for each in containers(daemon)} == before
    assert _networks(daemon) == networks


def test_changed_limits_and_restart_policy_are_applied_without_a_restart_of_the_container(
    stack: Stacks, daemon: docker.DockerClient, image: str
) -> None:
    definition = ContainerProgram(image)
    ours = stack(definition)
    container = daemon.containers.get(str(ours.up().outputs["id"].value))
    started = container.attrs["State"]["StartedAt"]
    definition.container |= {"memory": 48, "memory_swap": 96, "restart": "always", "cpu_shares": 256}
    assert changes(ours.up()) == {"update": 1}
    container.reload()
    host = container.attrs["HostConfig"]
    assert container.attrs["State"]["StartedAt"] == started
    assert (host["Memory"], host["MemorySwap"], host["CpuShares"]) == (48 * 2**20, 96 * 2**20, 256)
    assert host["RestartPolicy"]["Name"] == "always"


def test_update_after_a_refresh_starts_a_stopped_container_that_must_run(
    stack: Stacks, daemon: docker.DockerClient, image: str
) -> None:
    ours = stack(ContainerProgram(image, ports=[]))
    container = daemon.containers.get(str(ours.up().outputs["id"].value))
    container.stop(timeout=0)
    assert changes(ours.refresh()) == {"update": 1}
    assert changes(ours.up()) == {"update": 1}
    container.reload()
    assert container.status == "running"


@pytest.mark.slow
def test_unhealthy_replacement_leaves_the_old_container_running(
    stack: Stacks, daemon: docker.DockerClient, image: str
) -> None:
    before = {each.id for each in containers(daemon)}
    definition = ContainerProgram(image)
    ours = stack(definition)
    old = str(ours.up().outputs["id"].value)
    good = definition.container
    bad = {"tests": ["CMD", "false"], "interval": "1s", "timeout": "1s", "retries": 1}
    definition.container = {**good, "envs": ["A=2"], "healthcheck": bad, "wait_timeout": 2}
    with pytest.raises(CommandError, match="failed to be in healthy state"):
        ours.up()
    assert daemon.containers.get(old).status == "running"

    definition.container = {**good, "envs": ["A=3"]}
    new = str(ours.up().outputs["id"].value)
    assert {each.id for each in containers(daemon)} - before == {new}
    assert new != old


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"gpus": "all"}, "does not implement this input"),
        ({"memory": -5}, "at least 0"),
        ({"restart": "perhaps"}, "must match"),
        (
            {"image": "fds-plugins-test:absent"},
            "Unable to create container with image fds-plugins-test:absent: unable to pull image",
        ),
        ({"uploads": [{"file": "/bin/x", "content": "x"}]}, "read-only"),
        ({"healthcheck": None, "wait": True}, "has no healthcheck"),
    ],
)
def test_container_that_cannot_be_created_is_refused_without_a_traceback(
    stack: Stacks, image: str, container: dict[str, Any], message: str
) -> None:
    definition = ContainerProgram(image)
    given = {"image": container.pop("image")} if "image" in container else {}
    definition.container |= container

    def program() -> None:
        if given:
            pulumi_docker.Container("web", **given)
        else:
            definition()

    with pytest.raises(CommandError) as refused:
        stack(program).up()
    assert message in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_input_that_the_resource_type_lacks_is_refused(stack: Stacks) -> None:
    class Odd(pulumi.CustomResource):
        def __init__(self) -> None:
            super().__init__("docker:index/network:Network", "odd", {"colour": "red"})

    with pytest.raises(CommandError, match="there is no input of this name"):
        stack(lambda: Odd() and None).preview()


def test_unsupported_resource_type_is_refused(stack: Stacks) -> None:
    with pytest.raises(CommandError, match="does not implement docker:index/tag:Tag; use the official plugin"):
        stack(lambda: pulumi_docker.Tag("t", source_image="a", target_image="b") and None).preview()


def test_uploaded_file_has_the_given_mode_owner_and_content(
    stack: Stacks, daemon: docker.DockerClient, image: str
) -> None:
    def program() -> None:
        web = pulumi_docker.Container(
            "web",
            image=image,
            command=["sleep", "1000"],
            network_mode="none",
            uploads=[
                {"file": "/data/plain", "content": "text", "permissions": "0400", "owner": "1000", "group": "1001"},
                {"file": "/data/bytes", "content_base64": "AAEC", "executable": True},
                {"file": "/data/new/folder/text", "content": "below", "permissions": "0444"},
            ],
        )
        pulumi.export("id", web.id)

    container = daemon.containers.get(str(stack(program).up().outputs["id"].value))
    _, plain = container.get_archive("/data/plain")
    assert plain["mode"] & 0o777 == 0o400
    assert _contains(container, "/data/plain", "text")
    _, binary = container.get_archive("/data/bytes")
    assert (binary["mode"] & 0o777, binary["size"]) == (0o744, 3)
    assert _contains(container, "/data/new/folder/text", "below")


def _contains(container: Container, path: str, text: str) -> bool:
    """Return whether user 1000 can read the file in the container, and its whole content is `text`."""
    return bool(container.exec_run(["sh", "-c", f'[ "$(cat {path})" = "{text}" ]'], user="1000").exit_code == 0)


def test_resource_with_a_fixed_name_is_deleted_before_its_replacement(
    stack: Stacks, daemon: docker.DockerClient
) -> None:
    labels, name = [{"label": "v", "value": "1"}], f"fds-plugins-{uuid.uuid4().hex[:12]}"
    ours = stack(lambda: pulumi_docker.Network("n", name=name, labels=labels) and None)
    ours.up()
    labels[0]["value"] = "2"
    assert changes(ours.up()) == {"replace": 1}
    assert [each.attrs["Labels"] for each in daemon.networks.list(names=[name])] == [{"v": "2"}]


def _networks(daemon: docker.DockerClient) -> set[str]:
    """Return the ids of all networks whose names begin with `net-`, like the network of `ContainerProgram`."""
    return {str(each.id) for each in daemon.networks.list() if each.name.startswith("net-")}
