"""Test how the stand-in for the Docker provider builds images, and pulls them by digest, with a real daemon."""

from __future__ import annotations

import io
from pathlib import Path

import docker
import pulumi
import pulumi_docker
import pytest
from pulumi.automation.errors import CommandError

from tests.integration.plugins.conftest import Stacks
from tests.kit.container_output import output_of
from tests.kit.engine import changes
from tests.kit.registry import empty_registry


@pytest.mark.slow
def test_image_is_built_again_only_after_a_change_of_its_triggers(
    stack: Stacks, daemon: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {image}\nARG WHO\nCOPY . /data/\nRUN cat /data/kept && echo $WHO > /data/who\n"
    )
    (context / ".dockerignore").write_text("secret\n")
    (context / "kept").write_text("kept")
    (context / "secret").write_text("secret")
    name = image.replace("test:", "test-built:")
    trigger = {"files": "1"}

    def program() -> None:
        built = pulumi_docker.RemoteImage(
            "built", name=name, triggers=dict(trigger),
            build={"context": str(context), "build_args": {"WHO": "me"}, "force_remove": True},
        )  # fmt: skip
        pulumi.export("image_id", built.image_id)

    ours = stack(program)
    first = str(ours.up().outputs["image_id"].value)
    assert daemon.images.get(name).id == first
    listed = output_of(daemon, name, ["sh", "-c", "cat /data/who; cat /data/secret || true"])
    assert listed == "me\n"
    assert changes(ours.up()) == {}
    assert changes(ours.refresh()) == {}
    trigger["files"] = "2"
    assert dict(ours.preview().change_summary).get("replace") == 1
    (context / "Dockerfile").write_text(f"FROM {image}\nRUN false\n")
    with pytest.raises(CommandError, match="returned a non-zero code: 1"):
        ours.up()
    assert not daemon.containers.list(all=True, filters={"ancestor": image}), "container of the failed step left"
    ours.destroy()
    assert not daemon.images.list(name=name)


@pytest.mark.slow
def test_image_with_tag_and_digest_is_pulled_by_its_digest(
    stack: Stacks, daemon: docker.DockerClient, image: str
) -> None:
    with empty_registry() as where:
        name = f"{where}/pinned"
        # Push two images with the same tag, so that the tag then names the second image.
        digests = [_pushed(daemon, image, name, label) for label in ("first", "second")]
        pinned = [f"{name}:1@{digests[0]}"]

        def program() -> None:
            pulled = pulumi_docker.RemoteImage("image", name=pinned[0])
            pulumi.export("image_id", pulled.image_id)
            pulumi.export("repo_digest", pulled.repo_digest)

        ours = stack(program)
        for digest, label in zip(digests, ("first", "second"), strict=True):
            pinned[0] = f"{name}:1@{digest}"
            outputs = ours.up().outputs
            assert outputs["repo_digest"].value == f"{name}@{digest}"
            found = daemon.images.get(f"{name}@{digest}")
            assert (found.id, found.labels["which"], found.tags) == (outputs["image_id"].value, label, [])
            assert changes(ours.up()) == changes(ours.refresh()) == {}
        with pytest.raises(docker.errors.ImageNotFound):
            daemon.images.get(f"{name}@{digests[0]}")
        pinned[0] = f"{name}:1@sha256:{'0' * 64}"
        with pytest.raises(CommandError, match="unable to pull image"):
            ours.up()
        ours.destroy()
        assert not daemon.images.list(name=name)


def _pushed(daemon: docker.DockerClient, base: str, name: str, label: str) -> str:
    """Build an image with this label, push it as `name:1`, remove it locally, and return its manifest's digest."""
    recipe = io.BytesIO(f"FROM {base}\nLABEL which={label}\n".encode())
    daemon.images.build(fileobj=recipe, tag=f"{name}:1", rm=True)
    pushed = [line for line in daemon.api.push(name, tag="1", stream=True, decode=True) if "aux" in line]
    daemon.images.remove(f"{name}:1")
    return str(pushed[-1]["aux"]["Digest"])
