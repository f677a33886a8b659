"""Cause faults in the deployed stack; each fault is repaired at the end of its `with` block, or earlier."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from docker.models.containers import Container

from stack_runtime.docker_host import containers, local_docker, running
from stack_runtime.labels import of_service
from tests.integration.monitoring.monitored import STACK, Monitored, execute, within
from tests.kit.self_signed import self_signed

FILLER = "/data/metrics/filler"
"""Path of a file that fills the volume `metrics` (32 MB, see conftest.py), to cause alerts about disks."""
FILL_STEADILY = """
import os, sys, time
with open(sys.argv[1], "wb") as filler:
    filler.write(bytes(18 << 20))
while os.path.exists(sys.argv[1]) and os.path.getsize(sys.argv[1]) < 26 << 20:
    time.sleep(1)
    with open(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND), "wb") as filler:
        filler.write(bytes(1 << 14))
"""
"""Program for the runner: it writes 18 of the 32 MB, then 1 MB a minute, up to 26 MB or until the file is removed."""
HEALTHY_S = 120
SCRAPED_S = 90
"""Longest wait, in seconds, until Prometheus has recorded the start or stop of a service, on a busy machine."""


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """Kill the container of a service; after the block, start it and wait until it is healthy."""
    client = local_docker()
    (container,) = containers(client, STACK, service)

    def healthy() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    try:
        container.kill()
        yield
    finally:
        container.start()
        assert within(HEALTHY_S, healthy), service
        client.close()


@contextmanager
def hungry(limit_mb: int, held_mb: int) -> Iterator[None]:
    """Run a container that is labelled as service `hungry` and uses `held_mb` of its memory limit of `limit_mb` MiB."""
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
    """Write a file of 30 MB into the volume `metrics`, which has 32 MB; after the block, delete the file."""
    try:
        execute("pipeline", "dd", "if=/dev/zero", f"of={FILLER}", "bs=1M", "count=30")
        yield
    finally:
        execute("pipeline", "rm", "-f", FILLER)


@contextmanager
def filling_disk() -> Iterator[None]:
    """Fill over half of the volume `metrics` at once, then write more each second; after the block, delete the file."""
    client = local_docker()
    running(client, STACK, "pipeline").exec_run(["python", "-c", FILL_STEADILY, FILLER], detach=True)
    client.close()
    try:
        yield
    finally:
        execute("pipeline", "rm", "-f", FILLER)


@contextmanager
def nearly_no_memory() -> Iterator[None]:
    """Show the node exporter a false `/proc/meminfo`, with 5 % of the memory available; after the block, the real one.

    The memory itself stays free, because a kernel without free memory may kill any process of this machine.
    """
    kernel = Path("/proc/meminfo").read_text()
    (total,) = re.findall(r"^MemTotal: +(\d+) kB$", kernel, re.MULTILINE)
    text = re.sub(r"^(MemAvailable:).*$", rf"\1 {int(total) // 20} kB", kernel, flags=re.MULTILINE)
    write_file = ("python", "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])")
    execute("pipeline", *write_file, "/data/metrics/meminfo", text)
    client = local_docker()
    process = running(client, STACK, "node-exporter").attrs["State"]["Pid"]
    client.close()
    inside = ["nsenter", "--target", str(process), "--mount", "--pid"]
    subprocess.run([*inside, "mount", "--bind", "/metrics/meminfo", "/proc/meminfo"], check=True)
    try:
        yield
    finally:
        subprocess.run([*inside, "umount", "/proc/meminfo"], check=True)


@contextmanager
def unmeasured(stack: Monitored) -> Iterator[None]:
    """Stop the measurement of the containers; start it again after the block."""
    stack.measuring.clear()
    try:
        yield
    finally:
        stack.measuring.set()


@contextmanager
def restarting(stack: Monitored) -> Iterator[None]:
    """Stop two services twice and restart an exporter three times; all three run again when the block begins."""
    for _ in range(2):
        with stopped("postgres"), stopped("redis"):
            assert within(SCRAPED_S, lambda: stack.query("max(pg_up) + max(redis_up)") == [0])
        assert within(SCRAPED_S, lambda: stack.query("max(pg_up) + max(redis_up)") == [2])
    for _ in range(3):
        _restart(stack, "blackbox-exporter")
    yield


def _restart(stack: Monitored, service: str) -> None:
    """Restart the container of a service, and wait until Prometheus has the time of the new start."""

    def started() -> list[float]:
        return stack.query(f'process_start_time_seconds{{job="{service}"}}')

    before = started()
    client = local_docker()
    running(client, STACK, service).restart()
    client.close()
    assert within(SCRAPED_S, lambda: started() not in ([], before))


@contextmanager
def open_proxy_with_ending_certificate(days: int) -> Iterator[None]:
    """Make the proxy demand no login and use a certificate that is valid for `days` days; undo both after the block."""

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
    """Change delivered files of a service, and put the delivered content back after the block.

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
    """Write files, which every user may read, into a folder of the container; `files` maps path to content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o444
            archive.addfile(entry, io.BytesIO(content.encode()))
    assert container.put_archive(folder, buffer.getvalue())
