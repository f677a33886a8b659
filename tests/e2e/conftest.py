"""The prod stack: one played account and one server for all tests of it, which lead it from birth to end in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hcloud import Client

from fds_offline import registry
from stack_runtime.docker_host import local_docker
from tests.e2e.killing import killed_until_through
from tests.e2e.prod import SETTINGS, STACK, Prod
from tests.kit.acme import CertificateAuthority
from tests.kit.hetzner import HetznerAPI
from tests.kit.https import Visitor
from tests.kit.project import Project

ZONE = "example.test"
NAMED = {
    "domain": f"data.{ZONE}",
    "dnsZone": ZONE,
    "email": f"somebody@{ZONE}",
}
LAYERS = "fds-kit-layers"
"""The Docker volume that hands image layers on from one run of the tests to the next."""


@pytest.fixture(scope="session")
def cloud() -> Iterator[HetznerAPI]:
    """An account that holds a DNS zone and nothing else."""
    with HetznerAPI(servers=True, layers=LAYERS) as api:
        Client(token=api.token, api_endpoint=api.endpoint).zones.create(name=ZONE, mode="primary")
        yield api


@pytest.fixture(scope="session")
def authority(cloud: HetznerAPI) -> Iterator[CertificateAuthority]:
    """A certificate authority that finds servers by the records in the account's zone."""
    with CertificateAuthority(registry.bridge(local_docker()), cloud.resolve) as running:
        yield running


@pytest.fixture(scope="session")
def account(cloud: HetznerAPI, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Prod:
    """The account, and a project that is about to deploy to it."""
    reached = {
        "registryMirror": f"http://{registry.serve(local_docker())}",
        "certificates": authority.directory,
        "certificateRoot": authority.root,
    }
    folder, settings = tmp_path_factory.mktemp("a prod "), SETTINGS | NAMED | reached
    return Prod(cloud, Project(folder, STACK, settings, dict(cloud.environment), sources=True))


@pytest.fixture(scope="session")
def born(account: Prod) -> tuple[Prod, set[str]]:
    """The stack, deployed by deployments that were killed at each kind of step; and those kinds."""
    return account, killed_until_through(account)


@pytest.fixture(scope="session")
def prod(born: tuple[Prod, set[str]]) -> Prod:
    """The stack, deployed."""
    return born[0]


@pytest.fixture(scope="session")
def visitor(cloud: HetznerAPI, authority: CertificateAuthority) -> Visitor:
    """Somebody outside, who finds the server as the authority does, and trusts it."""
    return Visitor(cloud.resolve, authority.issuer())
