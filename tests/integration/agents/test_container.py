"""Test the agents' server in a container: it plans changes, cannot approve them, and uses less than 200 MiB."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from docker.models.containers import Container

from infra.services import Context, selected
from infra.services.agents import SERVICE
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from stack_runtime.status import MIB
from tests.kit.project import ROOT

NAME = "fds-agents-test"
TOKEN = {"Authorization": "Bearer secret-of-the-test"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Container, str]]:
    client = local_docker()
    client.images.build(path=str(ROOT), dockerfile="data_stack/images/agents/Dockerfile", tag=f"{NAME}:1", rm=True)
    container = client.containers.create(
        f"{NAME}:1", user=SERVICE.user, read_only=True, tmpfs={"/tmp": ""}, cap_drop=["ALL"],
        mem_limit=f"{SERVICE.resources.memory_limit_mb}m", ports={"8100/tcp": ("127.0.0.1", None)},
        volumes=["/data/agents", f"{NAME}-files:/run/fds"],
    )  # fmt: skip
    file_uploader = client.containers.create(f"{NAME}:1", volumes=[f"{NAME}-files:/run/fds"])
    try:
        file_uploader.put_archive("/run/fds", _files())
        container.start()
        container.reload()
        yield container, f"http://127.0.0.1:{container.ports['8100/tcp'][0]['HostPort']}"
    finally:
        for created in (container, file_uploader):
            created.remove(force=True, v=True)
        client.volumes.get(f"{NAME}-files").remove()


def _files() -> bytes:
    values = {"host": "hetzner", "serverType": "cpx22"}
    settings = Settings.of("prod", values)
    context = Context(settings, {"agents_token": "secret-of-the-test"}, selected(settings))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in SERVICE.files:
            content = file.content(context).encode()
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.uid, entry.mode = len(content), int(SERVICE.user.split(":")[0]), 0o400
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _wait_for_server(url: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/health")
            return
        except httpx.TransportError:
            assert time.monotonic() < end, "the server did not answer"
            time.sleep(0.2)


def test_server_plans_but_cannot_approve_and_uses_under_200_mib(server: tuple[Container, str]) -> None:
    container, url = server
    _wait_for_server(url)
    small = httpx.post(f"{url}/v1/plan", json={"reason": "x", "volume_gb": 50}, headers=TOKEN, timeout=30).json()
    large = httpx.post(f"{url}/v1/plan", json={"reason": "x", "server_type": "cpx42"}, headers=TOKEN, timeout=30).json()
    assert (small["decision"], large["decision"]) == ("accept", "refuse")
    warnings = " ".join(small["proposal"]["plan_after"]["warnings"])
    assert "planned on prices of" in warnings and "days old" in warnings, "the plan does not say how old its prices are"
    approval = {"proposal": small["id"], "digest": small["digest"]}
    assert httpx.post(f"{url}/v1/approve", json=approval, headers=TOKEN).status_code == 404
    assert httpx.get(f"{url}/v1/status").status_code == 401
    assert httpx.get(f"{url}/v1/status", headers=TOKEN).json()["plan"]["verdict"] == "within"
    used = container.stats(stream=False)["memory_stats"]["usage"]
    assert used < 200 * MIB
