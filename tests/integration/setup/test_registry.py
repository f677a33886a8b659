"""Test the local registry: it can be restarted after a kill, and refuses uploads while it serves images."""

from __future__ import annotations

import contextlib
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import docker
import pytest

from fds_offline import images, registry
from stack_runtime.docker_host import local_docker

REFERENCE = "debian:12-slim"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """Yield a client of the daemon; the registry keeps its files in a folder of the test."""
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    found = local_docker()
    if not images.is_stand_in(found, REFERENCE):
        pytest.skip("this machine pulls official images, so it needs no registry")
    yield found
    found.close()
    _kill()


def _kill() -> None:
    with contextlib.suppress(OSError, ValueError):
        pid = int((registry.folder() / "reader.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_registry_that_is_started_again_after_a_kill_serves_the_stored_image(client: docker.DockerClient) -> None:
    assert not images.is_stored(REFERENCE)
    with registry.writer() as endpoint:
        images.store(client, REFERENCE, endpoint)
    assert images.is_stored(REFERENCE)

    first = registry.serve(client)
    assert registry.serve(client) == first == registry.address()
    _kill()
    assert registry.address() is None
    again = registry.serve(client)
    with urllib.request.urlopen(f"http://{again}/v2/library/debian/manifests/12-slim") as answer:
        assert answer.status == 200


def test_registry_refuses_uploads_while_it_serves_images(client: docker.DockerClient) -> None:
    endpoint = registry.serve(client)
    request = urllib.request.Request(f"http://{endpoint}/v2/library/debian/blobs/uploads/", method="POST")
    with pytest.raises(HTTPError) as raised:
        urllib.request.urlopen(request)
    assert raised.value.code == 405


def test_writable_registry_is_stopped_after_use(client: docker.DockerClient) -> None:
    with registry.writer() as endpoint:
        assert registry._serves(endpoint)
        assert endpoint.startswith("127.0.0.1:")
    assert not registry._serves(endpoint)


def test_daemon_pulls_through_the_local_registry(client: docker.DockerClient) -> None:
    if not registry.may_configure():
        pytest.skip("setup may not change the configuration of this daemon, so the daemon has no mirror")
    before = client.images.get(REFERENCE).id
    assert client.images.pull(REFERENCE).id == before
