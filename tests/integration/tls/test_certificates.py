"""Test HTTPS with the proxy that a stack on a server uses, and with certificates from a real ACME server."""

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
    """Yield the proxy with a certificate for every UI."""
    with running() as proxy:
        proxy.wait_for_certificates()
        yield proxy


def test_every_ui_has_a_valid_certificate_and_requires_a_login(served: Proxy) -> None:
    assert served.names, "the catalogue must have a UI"
    for name in served.names:
        assert_guarded(served.visitor, name, served.secrets["ui_password"])


def test_request_below_the_path_of_the_http_challenge_is_not_redirected(served: Proxy) -> None:
    """The certificate authority fetches files below this path; a request for an unknown file gets the status 404."""
    answer = served.visitor.get_http(served.names[0], "/.well-known/acme-challenge/unknown")
    assert answer.status == 404 and answer.headers["Location"] is None


def test_host_name_without_a_ui_gets_no_certificate(served: Proxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        served.visitor.get(f"nothing.{DOMAIN}")


def test_client_that_does_not_trust_the_authority_refuses_the_certificate(served: Proxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connection = socket.create_connection((served.address, 443), 20)
        ssl.create_default_context().wrap_socket(connection, server_hostname=served.names[0])


def test_proxy_keeps_its_certificates_if_its_container_is_replaced_while_the_authority_is_down(served: Proxy) -> None:
    before = {name: served.visitor.serial(name) for name in served.names}
    served.authority.stop()
    served.replace()
    served.wait_for_certificates()
    assert {name: served.visitor.serial(name) for name in served.names} == before


def test_proxy_with_the_dns_challenge_reads_its_token_and_orders_one_certificate_for_all_names() -> None:
    """No certificate is issued here, because there is no real DNS zone."""
    with running(certificateChallenge="dns") as proxy:
        deadline = time.monotonic() + 60
        while f'"domains":["{DOMAIN}","*.{DOMAIN}"]' not in proxy.logs():
            assert time.monotonic() < deadline, proxy.logs()
            time.sleep(0.2)
        assert "hetzner: could not find zone" in proxy.logs()
        assert proxy.secrets[DNS_TOKEN] not in proxy.logs()
