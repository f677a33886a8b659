"""The registry of this machine: survives the death of its process, and takes nothing from containers."""

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
    """A daemon, and a registry of the test's own."""
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    found = local_docker()
    if not images.is_stand_in(found, REFERENCE):
        pytest.skip("this machine pulls official images, so it has no registry")
    yield found
    found.close()
    _kill()


def _kill() -> None:
    with contextlib.suppress(OSError, ValueError):
        pid = int((registry.folder() / "reader.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_an_image_goes_in_once_and_comes_out_after_a_kill(client: docker.DockerClient) -> None:
    assert not images.is_stored(REFERENCE)
    with registry.writer() as where:
        images.store(client, REFERENCE, where)
    assert images.is_stored(REFERENCE)

    first = registry.serve(client)
    assert registry.serve(client) == first == registry.address()
    _kill()
    assert registry.address() is None
    again = registry.serve(client)
    with urllib.request.urlopen(f"http://{again}/v2/library/debian/manifests/12-slim") as answer:
        assert answer.status == 200


def test_what_stays_up_takes_no_uploads(client: docker.DockerClient) -> None:
    where = registry.serve(client)
    request = urllib.request.Request(f"http://{where}/v2/library/debian/blobs/uploads/", method="POST")
    with pytest.raises(HTTPError) as raised:
        urllib.request.urlopen(request)
    assert raised.value.code == 405


def test_the_writing_registry_is_gone_afterwards(client: docker.DockerClient) -> None:
    with registry.writer() as where:
        assert registry._serves(where)
        assert where.startswith("127.0.0.1:")
    assert not registry._serves(where)


def test_the_daemon_pulls_through_the_machines_own_registry(client: docker.DockerClient) -> None:
    if not registry.may_configure():
        pytest.skip("the daemon is not this machine's own, so it has no mirror")
    before = client.images.get("redis:7").id
    assert client.images.pull("redis:7").id == before
