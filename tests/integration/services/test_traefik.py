"""Test Traefik as the stack starts it: health check, security headers, limit of login attempts, redirect to HTTPS, and
requests from a front proxy.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.services.traefik import BURST, HTTP, HTTPS
from tests.kit.service import Running, created

NAME = "dashboard.localhost"


@pytest.fixture
def proxy() -> Iterator[Running]:
    with created("traefik") as running:
        running.container.start()
        assert running.becomes_healthy(), running.logs()
        yield running


def _login(running: Running, *passwords: str) -> list[http.client.HTTPResponse]:
    """Request the dashboard as `admin` with each of these passwords, over one connection; return the responses."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(running.address, HTTPS, context=unchecked, timeout=20)
    answers = []
    for password in passwords:
        login = b64encode(f"admin:{password}".encode()).decode()
        connection.request("GET", "/", headers={"Host": NAME, "Authorization": f"Basic {login}"})
        answers.append(connection.getresponse())
        answers[-1].read()
    connection.close()
    return answers


def test_login_is_refused_with_429_after_too_many_attempts_from_one_address(proxy: Running) -> None:
    right = proxy.context.secrets["ui_password"]
    answers = [answer.status for answer in _login(proxy, *(f"wrong {number}" for number in range(BURST + 100)), right)]
    assert set(answers[: BURST - 10]) == {401}
    assert 429 in answers[BURST - 10 :]
    assert answers[-1] == 429, "the right password must be refused too, once the limit is reached"
    assert proxy.becomes_healthy(), "the health check has another address, and each address has its own limit"


def test_responses_to_a_wrong_and_a_right_password_have_the_security_headers(proxy: Running) -> None:
    for answer in _login(proxy, "wrong", proxy.context.secrets["ui_password"]):
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in scripts and "*" not in scripts
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "SAMEORIGIN"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "max-age=" in headers["Strict-Transport-Security"]


def test_plain_http_request_is_redirected_to_https_even_if_its_headers_claim_https(proxy: Running) -> None:
    connection = http.client.HTTPConnection(proxy.address, HTTP, timeout=20)
    for claimed in ({}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Ssl": "on", "Forwarded": "proto=https"}):
        connection.request("GET", "/runs?a=1", headers={"Host": NAME, **claimed})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (301, 308)
        assert str(answer.headers["Location"]).startswith(f"https://{NAME}:8443/runs")
    connection.close()


def test_https_request_from_a_front_proxy_reaches_the_login(proxy: Running) -> None:
    """The front proxy ends the TLS connection, keeps the host name, and accepts any certificate from Traefik."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _front_of(proxy))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for password, wanted in (("wrong", 401), (proxy.context.secrets["ui_password"], 502)):
            login = b64encode(f"admin:{password}".encode()).decode()
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
            connection.request("GET", "/", headers={"Host": NAME, "Authorization": f"Basic {login}"})
            answer = connection.getresponse()
            assert answer.status == wanted, "502 comes after the login: no dashboard runs in this test"
            connection.close()
    finally:
        server.shutdown()
        server.server_close()


def _front_of(proxy: Running) -> type[BaseHTTPRequestHandler]:
    """Return the handler of a reverse proxy that forwards plain HTTP requests over HTTPS, as in docs/server.md."""

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            unchecked = ssl.create_default_context()
            unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(proxy.address, HTTPS, context=unchecked, timeout=20)
            connection.request("GET", self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Front


@pytest.mark.parametrize("broken", ["not a configuration", json.dumps({"http": {}})])
def test_proxy_without_its_routes_is_unhealthy(broken: str) -> None:
    with created("traefik") as running:
        running.deliver({"routes.yml": broken})
        running.container.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                status = _login(running, "any")[0].status
                break
            except OSError:
                assert time.monotonic() < deadline, running.logs()
                time.sleep(0.2)
        assert status == 404
        assert running.checks() != 0


def test_proxy_that_listens_only_on_loopback_is_unhealthy() -> None:
    with created("traefik") as running:
        static = {file.name: file.content(running.context) for file in running.service.files}["traefik.yml"]
        running.deliver({"traefik.yml": static.replace(f'":{HTTPS}"', f'"127.0.0.1:{HTTPS}"')})
        running.container.start()
        inside = ["sh", "-c", f"wget -S -O /dev/null --no-check-certificate https://127.0.0.1:{HTTPS}/ 2>&1 | grep 404"]
        deadline = time.monotonic() + 60
        while running.container.exec_run(inside).exit_code:
            assert time.monotonic() < deadline, running.logs()
            time.sleep(0.2)
        assert running.checks() != 0
