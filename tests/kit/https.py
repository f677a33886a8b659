"""Send requests to the UIs of a stack as an outside client does: HTTPS with one trusted authority, and HTTP."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass

from tests.kit.names import Resolve

TIMEOUT_S = 20.0
HALF_A_YEAR_S = 15_552_000


@dataclass(frozen=True)
class Visitor:
    """An HTTP client that trusts one certificate authority and follows no redirects.

    Args:
        resolve: function that returns the IP addresses of a host name.
        issuer: PEM of the only trusted root certificate.
    """

    resolve: Resolve
    issuer: str

    def get(self, name: str, *, password: str = "", path: str = "/") -> http.client.HTTPResponse:
        """Request a UI over HTTPS, as `admin` if a password is given.

        Raises:
            ssl.SSLCertVerificationError: the certificate is from another authority, or for another name.
        """
        connection = http.client.HTTPConnection(name, timeout=TIMEOUT_S)
        connection.sock = self._verified(name)
        login = b64encode(f"admin:{password}".encode()).decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {login}"} if password else {})
        return connection.getresponse()

    def get_http(self, name: str, path: str) -> http.client.HTTPResponse:
        """Request a path of the UI `name` over HTTP, without TLS."""
        connection = http.client.HTTPConnection(self.resolve(name)[0], 80, timeout=TIMEOUT_S)
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse()

    def serial(self, name: str) -> str:
        """Return the serial number of the certificate that is served for `name`.

        Raises:
            ssl.SSLCertVerificationError: the certificate is from another authority, or for another name.
        """
        with self._verified(name) as served:
            return str((served.getpeercert() or {})["serialNumber"])

    def wait_for(self, name: str, seconds: float) -> bool:
        """Wait up to `seconds` until `name` has a valid certificate; return False if it has none by then."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return bool(self.serial(name))
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.1)

    def _verified(self, name: str) -> ssl.SSLSocket:
        trusted = ssl.create_default_context(cadata=self.issuer)
        raw = socket.create_connection((self.resolve(name)[0], 443), TIMEOUT_S)
        return trusted.wrap_socket(raw, server_hostname=name)


def assert_guarded(visitor: Visitor, name: str, password: str) -> None:
    """Assert that a UI has a valid certificate, a login, an HSTS header and a redirect from HTTP."""
    for known, status in {"": 401, "wrong": 401, password: 200}.items():
        answer = visitor.get(name, password=known)
        assert answer.status == status
        assert int((answer.headers["Strict-Transport-Security"] or "=0").split("=")[1].split(";")[0]) >= HALF_A_YEAR_S
    moved = visitor.get_http(name, "/quality?month=1")
    assert moved.status in (301, 308) and moved.headers["Location"] == f"https://{name}/quality?month=1"
