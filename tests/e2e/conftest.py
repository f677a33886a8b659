"""Provide the prod stack: one server in one simulated account. All tests of this stack use it, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hcloud import Client

from fds_offline import registry
from stack_runtime.docker_host import local_docker
from tests.e2e.prod import SETTINGS, STACK, Prod
from tests.kit.acme import CertificateAuthority
from tests.kit.hetzner import HetznerAPI
from tests.kit.https import Visitor
from tests.kit.project import SAMPLE, Project

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
    """Yield a certificate authority that resolves names with the DNS records of the account."""
    with CertificateAuthority(registry.bridge(local_docker()), cloud.resolve) as running:
        yield running


@pytest.fixture(scope="session")
def account(cloud: HetznerAPI, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Prod:
    """Return the simulated account with a project that has not been deployed yet."""
    urls = {
        "registryMirror": f"http://{registry.serve(local_docker())}",
        "certificates": authority.directory,
        "certificateRoot": authority.root,
    }
    folder, settings = tmp_path_factory.mktemp("a prod "), SETTINGS | DOMAIN_SETTINGS | urls
    return Prod(cloud, Project(folder, STACK, settings, dict(cloud.environment), sources=True))


@pytest.fixture(scope="session")
def prod(account: Prod) -> Prod:
    """Deploy the stack and return it. If the slow tests run too, the first of them has already deployed it."""
    account.project.json("up")
    return account


@pytest.fixture(scope="session")
def first_run(prod: Prod) -> dict[str, Any]:
    """Load and publish the sample on the server; return the run."""
    run: dict[str, Any] = prod.project.json("run", "--csv", str(SAMPLE))
    return run


@pytest.fixture(scope="session")
def visitor(cloud: HetznerAPI, authority: CertificateAuthority) -> Visitor:
    """Return an HTTPS client that resolves names with the account's DNS records and trusts only `authority`."""
    return Visitor(cloud.resolve, authority.issuer())
