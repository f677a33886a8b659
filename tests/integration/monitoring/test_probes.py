"""Test the blackbox exporter in a container: its modules probe servers that answer like a proxy or a UI."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
from docker.models.containers import Container

from fds_offline import registry
from infra.services.blackbox_exporter import PORT, SERVICE
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import local_docker
from tests.integration.monitoring.faults import certificate, write
from tests.integration.monitoring.monitored import within
from tests.integration.monitoring.test_configuration import files

HOST = "dashboard.localhost"
DEMAND = {"WWW-Authenticate": 'Basic realm="traefik"'}
ON_A_SERVER = {"host": "hetzner", "domain": "example.org", "email": "me@example.org"}


class Double(ThreadingHTTPServer):
    """Server that gives every request the same answer; it keeps the requested hosts and the `Authorization` headers."""

    def __init__(self, address: str, status: int, headers: dict[str, str]) -> None:
        super().__init__((address, 0), _Answer)
        self.status, self.headers = status, headers
        self.hosts: list[str] = []
        self.logins: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Double)
        self.server.hosts.append(self.headers["Host"])
        self.server.logins += self.headers.get_all("Authorization") or []
        self.send_response(self.server.status)
        for name, value in {**self.server.headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing, to keep the output of the tests short."""


@contextmanager
def answering(status: int, headers: dict[str, str], pem: Path | None = None) -> Iterator[tuple[Double, str]]:
    """Run a server that gives each request this answer.

    Args:
        pem: file for a new self-signed certificate; None for a server without TLS.

    Returns: the server and its address.
    """
    address = registry.bridge(local_docker())
    with Double(address, status, headers) as server:
        if pem:
            pem.write_text("".join(certificate(30)))
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(pem)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server, f"{'https' if pem else 'http'}://{address}:{server.server_address[1]}/"
        server.shutdown()


Probe = Callable[..., dict[str, float]]


@contextmanager
def exporter(**values: str) -> Iterator[Probe]:
    """Run the blackbox exporter with these settings while the block runs; yield a function that probes an address."""
    client = local_docker()
    container = client.containers.create(
        str(SERVICE.image),
        list(SERVICE.command),
        user=SERVICE.user,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    try:
        write(container, "/run", {f"fds/{name}": text for name, text in files(SERVICE.name, **values).items()})
        container.start()
        assert within(20, lambda: container.exec_run(_request(container, "/-/healthy"))[0] == 0), container.logs()

        def probe(address: str, module: str) -> dict[str, float]:
            asked = urlencode({"target": address, "hostname": HOST, "module": module})
            done = execute(container, _request(container, f"/probe?{asked}"))
            assert done.code == 0, done.err
            lines = (line.rsplit(" ", 1) for line in done.out.decode().splitlines() if not line.startswith("#"))
            return {name: float(value) for name, value in lines}

        yield probe
    finally:
        container.remove(force=True)
        client.close()


def _request(container: Container, path: str) -> list[str]:
    return ["sh", "-c", f'wget -q -O - "http://$HOSTNAME:{PORT}{path}"']


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with exporter() as found:
        yield found


@pytest.mark.parametrize(
    ("status", "headers", "succeeds", "is_other_login"),
    [
        (401, DEMAND, True, False),
        (401, {"WWW-Authenticate": 'Basic realm="Airflow"'}, False, True),
        (401, {"WWW-Authenticate": "Bearer"}, False, True),
        (401, {}, False, True),
        (200, DEMAND, False, False),
        (200, {}, False, False),
        (302, {"Location": "/login"}, False, False),
        (403, {}, False, False),
        (502, {}, False, False),
    ],
)
def test_login_probe_succeeds_only_if_the_answer_demands_the_login_of_the_proxy(
    probe: Probe, tmp_path: Path, status: int, headers: dict[str, str], succeeds: bool, is_other_login: bool
) -> None:
    with answering(status, headers, tmp_path / "server.pem") as (server, address):
        found = probe(address, "login")
    assert found["probe_success"] == succeeds and found["probe_http_status_code"] == status
    assert found["probe_failed_due_to_regex"] == is_other_login
    assert found["probe_ssl_earliest_cert_expiry"] > 0
    assert set(server.hosts) == {HOST} and not server.logins


@pytest.mark.parametrize(("status", "succeeds"), [(200, 1), (302, 1), (401, 1), (404, 1), (500, 0), (503, 0)])
def test_page_probe_fails_only_if_the_status_is_5xx(probe: Probe, status: int, succeeds: int) -> None:
    with answering(status, {"Location": "http://example.invalid/"}) as (server, address):
        found = probe(address, "page")
    assert found["probe_success"] == succeeds and len(server.hosts) == 1


def test_untrusted_certificate_is_refused_for_a_stack_on_a_server(tmp_path: Path) -> None:
    with exporter(**ON_A_SERVER) as probe, answering(401, DEMAND, tmp_path / "server.pem") as (server, address):
        found = probe(address, "login")
    assert (found["probe_success"], found["probe_http_status_code"], server.hosts) == (0, 0, [])
