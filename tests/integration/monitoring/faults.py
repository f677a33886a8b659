"""Cause faults in the containers of the deployed stack, and repair each fault at the end of its `with` block."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from docker.models.containers import Container

from stack_runtime.docker_host import containers, local_docker, running
from stack_runtime.labels import of_service
from tests.integration.monitoring.monitored import STACK, Monitored
from tests.kit.self_signed import self_signed

HEADER = "id,date,customer_id,amount,currency,category,description\n"
GOOD = HEADER + "".join(f"staged-{n},2026-01-02,c1,10.50,EUR,food,x\n" for n in range(20))
FAILS_A_CHECK = GOOD.replace("EUR", "a few euros")
CANNOT_BE_LOADED = "id,date\n1,2026-01-02\n"
FILLER = "/data/metrics/filler"
"""A file that fills the volume `metrics`, which conftest.py limits to 32 MB; alerts measure the disk there."""


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """Kill the container of a service, and start it again after the block."""
    client = local_docker()
    (container,) = containers(client, STACK, service)
    try:
        container.kill()
        yield
    finally:
        container.start()
        client.close()


@contextmanager
def hungry(limit_mb: int, held_mb: int) -> Iterator[None]:
    """Run a container with the labels of a service `hungry` of the stack; its process holds `held_mb` MiB of memory."""
    client = local_docker()
    image = running(client, STACK, "pipeline").image
    assert image is not None
    code = f"import time; held = b'x' * ({held_mb} << 20); time.sleep(3600)"
    limit = f"{limit_mb}m"
    container = client.containers.run(
        image, ["-c", code], entrypoint=["python"], labels=of_service(STACK, "hungry"), mem_limit=limit,
        memswap_limit=limit, network_mode="none", detach=True,
    )  # fmt: skip
    try:
        yield
    finally:
        container.remove(force=True)
        client.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """Fill 30 of the 32 MB of the volume `metrics`, and delete the filling file afterwards."""
    client = local_docker()
    pipeline = running(client, STACK, "pipeline")
    try:
        code, output = pipeline.exec_run(["dd", "if=/dev/zero", f"of={FILLER}", "bs=1M", "count=30"])
        assert code == 0, output
        yield
    finally:
        pipeline.exec_run(["rm", "-f", FILLER])
        client.close()


@contextmanager
def failed_run(stack: Monitored, folder: Path, content: str) -> Iterator[None]:
    """Run the pipeline on a file that makes the run fail; after the block, run it on a file that can be loaded."""
    assert _run(stack, folder / "bad.csv", content) == 6
    yield
    assert _run(stack, folder / "good.csv", GOOD) == 0


def _run(stack: Monitored, file: Path, content: str) -> int:
    file.write_text(content)
    return stack.project.fds("run", "--csv", str(file), timeout=300).returncode


@contextmanager
def open_proxy_with_ending_certificate(days: int) -> Iterator[None]:
    """Remove the login from all routes and use a certificate that is valid for `days` days; restore both afterwards."""

    def change(text: str) -> str:
        configuration = json.loads(text)
        for router in configuration["http"]["routers"].values():
            router["middlewares"].remove("login")
        pem, key = certificate(days)
        default = {"certFile": pem, "keyFile": key}  # Traefik accepts PEM text or a path here
        return json.dumps(configuration | {"tls": {"stores": {"default": {"defaultCertificate": default}}}})

    with rewritten("traefik", {"routes.yml": change}, Container.restart):
        yield


def certificate(days: int) -> tuple[str, str]:
    """Return a self-signed certificate that ends after this many days, and its key, as PEM."""
    return self_signed("dashboard.localhost", x509.DNSName("dashboard.localhost"), days)


@contextmanager
def rewritten(
    service: str, changes: Mapping[str, Callable[[str], str]], reload: Callable[[Container], object]
) -> Iterator[None]:
    """Change delivered files of a service, and restore them after the block.

    Args:
        changes: for each file name, a function that returns the new content from the delivered content.
        reload: makes the container of the service read its files again.
    """
    client = local_docker()
    (container,) = containers(client, STACK, service)
    label = [f"{key}={value}" for key, value in of_service(STACK, "files").items()]
    (uploader,) = client.containers.list(all=True, filters={"label": label})
    folder = f"/files/{service}"
    delivered = {name: _read(uploader, f"{folder}/{name}") for name in changes}
    try:
        write(uploader, folder, {name: change(delivered[name]) for name, change in changes.items()})
        reload(container)
        yield
    finally:
        write(uploader, folder, delivered)
        reload(container)
        client.close()


def _read(container: Container, path: str) -> str:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        assert file is not None
        return file.read().decode()


def write(container: Container, folder: str, files: Mapping[str, str]) -> None:
    """Write files into `folder`, by their path in this folder; every user may read the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o444
            archive.addfile(entry, io.BytesIO(content.encode()))
    assert container.put_archive(folder, buffer.getvalue())
