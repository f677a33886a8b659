"""Provide the prod stack: one simulated account and one server, which all tests of this stack use in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hcloud import Client

from fds_offline import registry
from stack_runtime.docker_host import local_docker
from tests.e2e.prod import SETTINGS, STACK, Prod
from tests.kit.acme import CertificateAuthority
from tests.kit.hetzner import HetznerAPI
from tests.kit.https import Visitor
from tests.kit.project import Project

ZONE = "example.test"
DOMAIN_SETTINGS = {
    "domain": f"data.{ZONE}",
    "dnsZone": ZONE,
    "email": f"somebody@{ZONE}",
}
LAYERS = "fds-kit-layers"
"""Docker volume that keeps image layers from one test run to the next."""


@pytest.fixture(scope="session")
def cloud() -> Iterator[HetznerAPI]:
    """Yield a simulated account that contains only a DNS zone."""
    with HetznerAPI(servers=True, layers=LAYERS) as api:
        Client(token=api.token, api_endpoint=api.endpoint).zones.create(name=ZONE, mode="primary")
        yield api


@pytest.fixture(scope="session")
def authority(cloud: HetznerAPI) -> Iterator[CertificateAuthority]:
    """Yield a certificate authority that resolves names by the records in the zone of the account."""
    with CertificateAuthority(registry.bridge(local_docker()), cloud.resolve) as running:
        yield running


@pytest.fixture(scope="session")
def account(cloud: HetznerAPI, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Prod:
    """Return the account, and a project that has not been deployed yet."""
    urls = {
        "registryMirror": f"http://{registry.serve(local_docker())}",
        "certificates": authority.directory,
        "certificateRoot": authority.root,
    }
    folder, settings = tmp_path_factory.mktemp("a prod "), SETTINGS | DOMAIN_SETTINGS | urls
    return Prod(cloud, Project(folder, STACK, settings, dict(cloud.environment), sources=True))


@pytest.fixture(scope="session")
def prod(account: Prod) -> Prod:
    """Return the deployed stack; in a run with the slow tests, killed deployments have created it before."""
    account.project.json("up")
    return account


@pytest.fixture(scope="session")
def visitor(cloud: HetznerAPI, authority: CertificateAuthority) -> Visitor:
    """Return an HTTPS client that resolves names like the certificate authority and trusts only this authority."""
    return Visitor(cloud.resolve, authority.issuer())
