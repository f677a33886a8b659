"""Test a stack whose images are pinned by digest, on a server with a registry mirror; tests run in file order."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from infra import image_lock
from tests.integration.ssh.conftest import PRICE, OwnServer
from tests.kit.registry import LABEL, OwnRegistry, own_registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IMAGES = ["postgres:15", "python:3.11-slim", "traefik:v3.7"]
WRONG = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def mirror(server: OwnServer) -> Iterator[OwnRegistry]:
    """Yield the registry mirror that Docker on the server uses."""
    with own_registry() as found:
        server.project.configure({"serverPrice": PRICE, "registryMirror": f"http://{found.address}"})
        yield found


def lock_of(server: OwnServer) -> dict[str, str]:
    return image_lock.read(server.project.folder)


def relock(server: OwnServer, changes: dict[str, str | None]) -> None:
    """Edit the lock file as a person does; a digest of None removes the entry."""
    lock = {name: digest for name, digest in {**lock_of(server), **changes}.items() if digest is not None}
    text = "".join(f"{name}: {digest}\n" for name, digest in lock.items())
    (server.project.folder / image_lock.FILE).write_text(text)


def containers(server: OwnServer) -> list[str]:
    """Return id and start time of every container; the start time shows a restart."""
    ids = server.console("docker", "ps", "--all", "--quiet").split()
    return sorted(server.console("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *ids).splitlines())


def running(server: OwnServer, service: str) -> str:
    """Return the id of the image that a service runs."""
    name = server.console("docker", "ps", "--quiet", "--filter", f"label=fds.service={service}").strip()
    return server.console("docker", "inspect", "--format", "{{.Image}}", name).strip()


def image(server: OwnServer, name: str, what: str = "{{.Id}}") -> str:
    return server.console("docker", "image", "inspect", "--format", what, name).strip()


def up(server: OwnServer) -> subprocess.CompletedProcess[str]:
    done = server.project.fds("up", "--accept-host-key", server.fingerprint())
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_first_up_writes_the_lock_file_and_pulls_by_digest(server: OwnServer, mirror: OwnRegistry) -> None:
    done = up(server)
    lock = lock_of(server)
    assert sorted(lock) == IMAGES
    assert f"pinned {', '.join(IMAGES)} in images.lock.yaml" in done.stderr and "not pinned" not in done.stderr
    for service, name in (("postgres", "postgres:15"), ("traefik", "traefik:v3.7")):
        assert running(server, service) == image(server, f"{name}@{lock[name]}")
    project = server.project
    state = project.run("pulumi", "stack", "export", "--stack", project.stack, **project.state_variables()).stdout
    resources = json.loads(state)["deployment"]["resources"]
    recorded = [one["outputs"] for one in resources if one["type"] == "docker:index/remoteImage:RemoteImage"]
    pulled = [one for one in recorded if not one.get("build")]
    assert sorted(one["name"] for one in pulled) == sorted(f"{name}@{digest}" for name, digest in lock.items())
    assert {one["build"]["buildArgs"]["BASE"] for one in recorded if one.get("build")} == {
        f"python:3.11-slim@{lock['python:3.11-slim']}"
    }


def test_second_fds_up_and_plain_pulumi_up_change_no_resource(server: OwnServer) -> None:
    before = server.project.files()[image_lock.FILE]
    assert server.project.json("up")["changed"] == 0
    plain = server.project.engine("up", "--yes", "--skip-preview", "--policy-pack", "infra/policy", "--json")
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert '"resourceChanges":{"same":' in plain.stdout.replace(" ", "").replace("\n", ""), plain.stdout[-3000:]
    assert server.project.files()[image_lock.FILE] == before


def test_preview_reports_each_image_without_a_lock_entry_and_changes_no_file(server: OwnServer) -> None:
    server.project.configure({"profiles": ["lean", "queue"]})
    before = server.project.files()
    done = server.project.fds("preview")
    assert done.returncode == 0, done.stderr
    assert "would look up the digests of redis:7, which images.lock.yaml lacks" in done.stderr
    assert server.project.files() == before
    server.project.configure({"profiles": ["lean"]})


def test_docker_image_prune_removes_no_pinned_image(server: OwnServer) -> None:
    server.console("docker", "image", "prune", "--force")
    for name, digest in lock_of(server).items():
        assert image(server, f"{name}@{digest}")
    assert server.project.fds("drift").returncode == 0


def test_pinned_image_is_used_even_after_its_tag_was_moved_to_another_image(
    server: OwnServer, mirror: OwnRegistry
) -> None:
    lock, pinned = lock_of(server), running(server, "traefik")
    moved = mirror.move("traefik:v3.7")
    assert moved != lock["traefik:v3.7"]
    assert server.project.json("up")["changed"] == 0
    assert server.project.fds("down").returncode == 0
    server.console("sh", "-c", "docker image rm --force $(docker image ls --quiet --digests traefik)")
    up(server)
    assert running(server, "traefik") == pinned and lock_of(server) == lock
    url = f"http://{mirror.address}/v2/library/traefik/manifests/v3.7"
    accepted = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=accepted)) as answer:
        assert answer.headers["Docker-Content-Digest"] == moved, "the tag must name another image now"


def test_image_whose_lock_entry_was_removed_is_updated_to_the_newest_image_of_its_tag(
    server: OwnServer, mirror: OwnRegistry
) -> None:
    former, postgres = lock_of(server)["traefik:v3.7"], running(server, "postgres")
    relock(server, {"traefik:v3.7": None})
    done = up(server)
    newest = lock_of(server)["traefik:v3.7"]
    assert f"image traefik:v3.7 is not the one of the last deployment: {former} became {newest}" in done.stderr
    assert LABEL in image(server, running(server, "traefik"), "{{json .Config.Labels}}")
    assert running(server, "postgres") == postgres
    assert server.project.json("up")["changed"] == 0


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_malformed_lock_file_is_refused_and_changes_no_container(server: OwnServer, verb: str) -> None:
    good, before = lock_of(server), containers(server)
    relock(server, {"postgres:15": "!!str newest"})
    done = server.project.fds(verb)
    assert done.returncode == 2, done.stderr
    (error,) = [line for line in done.stderr.splitlines() if "next: " in line]
    assert "is not an image and its digest" in error and "next: correct images.lock.yaml" in error
    (server.project.folder / image_lock.FILE).unlink()
    relock(server, dict(good))
    assert containers(server) == before


def test_fds_up_refuses_a_locked_digest_that_no_registry_serves_and_changes_no_container(server: OwnServer) -> None:
    good, before = lock_of(server), containers(server)
    relock(server, {"postgres:15": WRONG})
    server.project.configure({"profiles": ["lean", "queue"]})
    done = server.project.fds("up")
    assert done.returncode == 2, done.stderr
    (error,) = [line for line in done.stderr.splitlines() if "next: " in line]
    assert f"postgres:15 is locked to {WRONG}, which its registry does not serve (images.lock.yaml)" in error
    assert "next: remove the line of postgres:15 from images.lock.yaml, then fds up" in error
    assert containers(server) == before and "redis:7" not in lock_of(server)
    relock(server, dict(good))
    server.project.configure({"profiles": ["lean"]})


def test_tag_without_lock_entry_is_pinned_to_the_image_on_the_server_if_no_registry_answers(
    server: OwnServer, mirror: OwnRegistry
) -> None:
    lock = lock_of(server)
    server.console("docker", "tag", f"postgres@{lock['postgres:15']}", "postgres:15")
    mirror.stop()
    relock(server, {"postgres:15": None})
    assert server.project.json("up")["changed"] == 0
    assert lock_of(server) == lock
