"""The UIs of a stack as somebody outside sees them: over HTTPS with one authority that is trusted, and over HTTP."""

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
    """Somebody who trusts one certificate authority and follows nothing.

    Args:
        resolve: how names resolve for them.
        issuer: PEM of the root that certificates are verified by.
    """

    resolve: Resolve
    issuer: str

    def get(self, name: str, *, password: str = "", path: str = "/") -> http.client.HTTPResponse:
        """Ask for a UI by HTTPS, as `admin` when there is a password.

        Raises:
            ssl.SSLCertVerificationError: the certificate is another authority's, or for another name.
        """
        connection = http.client.HTTPConnection(name, timeout=TIMEOUT_S)
        connection.sock = self._verified(name)
        login = b64encode(f"admin:{password}".encode()).decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {login}"} if password else {})
        return connection.getresponse()

    def plain(self, name: str, path: str) -> http.client.HTTPResponse:
        """Ask by HTTP."""
        connection = http.client.HTTPConnection(self.resolve(name)[0], 80, timeout=TIMEOUT_S)
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse()

    def serial(self, name: str) -> str:
        """Serial number of the certificate that is served for `name`; raises as `get` does."""
        with self._verified(name) as served:
            return str((served.getpeercert() or {})["serialNumber"])

    def wait_for(self, name: str, seconds: float) -> bool:
        """Whether `name` has a certificate within so many seconds."""
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
        plain = socket.create_connection((self.resolve(name)[0], 443), TIMEOUT_S)
        return trusted.wrap_socket(plain, server_hostname=name)


def assert_guarded(visitor: Visitor, name: str, password: str) -> None:
    """A UI has a certificate and a login, browsers are told to stay with HTTPS, and HTTP leads there."""
    for known, status in {"": 401, "wrong": 401, password: 200}.items():
        answer = visitor.get(name, password=known)
        assert answer.status == status
        assert int((answer.headers["Strict-Transport-Security"] or "=0").split("=")[1].split(";")[0]) >= HALF_A_YEAR_S
    moved = visitor.plain(name, "/quality?month=1")
    assert moved.status in (301, 308) and moved.headers["Location"] == f"https://{name}/quality?month=1"
