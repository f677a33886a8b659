"""HTTPS as a server's proxy serves it, with certificates from a real ACME server over the real protocol."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from infra.services.traefik import DNS_TOKEN
from tests.integration.tls.conftest import DOMAIN, Proxy, running
from tests.kit.https import assert_guarded


@pytest.fixture(scope="module")
def served() -> Iterator[Proxy]:
    """The proxy, with a certificate for every UI."""
    with running() as proxy:
        proxy.wait_for_certificates()
        yield proxy


def test_every_ui_has_a_verified_certificate_and_a_login(served: Proxy) -> None:
    assert served.names, "the catalogue has a UI"
    for name in served.names:
        assert_guarded(served.visitor, name, served.secrets["ui_password"])


def test_the_challenge_is_served_and_not_redirected(served: Proxy) -> None:
    """The certificates above are the proof; this is what anybody else gets there: no redirect, no content."""
    answer = served.visitor.plain(served.names[0], "/.well-known/acme-challenge/unknown")
    assert answer.status == 404 and answer.headers["Location"] is None


def test_another_name_gets_no_certificate(served: Proxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        served.visitor.get(f"nothing.{DOMAIN}")


def test_the_authority_is_not_trusted_by_others(served: Proxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connection = socket.create_connection((served.address, 443), 20)
        ssl.create_default_context().wrap_socket(connection, server_hostname=served.names[0])


def test_certificates_outlive_the_container_and_the_authority(served: Proxy) -> None:
    before = {name: served.visitor.serial(name) for name in served.names}
    served.authority.stop()
    served.replace()
    served.wait_for_certificates()
    assert {name: served.visitor.serial(name) for name in served.names} == before


def test_the_dns_challenge_gets_as_far_as_the_zone() -> None:
    """The name servers of a real zone are out of a test's reach; that the proxy takes the token from its file, and
    orders one certificate for all names, is not."""
    with running(certificateChallenge="dns") as proxy:
        deadline = time.monotonic() + 60
        while f'"domains":["{DOMAIN}","*.{DOMAIN}"]' not in proxy.said():
            assert time.monotonic() < deadline, proxy.said()
            time.sleep(0.2)
        assert "hetzner: could not find zone" in proxy.said()
        assert proxy.secrets[DNS_TOKEN] not in proxy.said()
