"""The prod stack: one played account and one server for all tests of it, which lead it from birth to end in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hcloud import Client

from infra.offline import registry
from stack_runtime.docker_host import local_docker
from tests.e2e.killing import killed_until_through
from tests.e2e.prod import SETTINGS, STACK, Prod
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import Project

ZONE = "example.test"
NAMED = {
    "domain": f"data.{ZONE}",
    "dnsZone": ZONE,
    "email": f"somebody@{ZONE}",
    "certificates": "https://127.0.0.1:9/directory",  # nobody is there: what a CA does is tested elsewhere
}
LAYERS = "fds-kit-layers"
"""The Docker volume that hands image layers on from one run of the tests to the next."""


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prod]:
    """An account that holds a DNS zone and nothing else, and a project that is about to deploy to it."""
    mirror = {"registryMirror": f"http://{registry.serve(local_docker())}"}
    with HetznerAPI(servers=True, layers=LAYERS) as api:
        Client(token=api.token, api_endpoint=api.endpoint).zones.create(name=ZONE, mode="primary")
        folder = tmp_path_factory.mktemp("prod")
        settings = SETTINGS | NAMED | mirror
        yield Prod(api, Project(folder, STACK, settings, dict(api.environment), sources=True))


@pytest.fixture(scope="session")
def born(account: Prod) -> tuple[Prod, set[str]]:
    """The stack, deployed by deployments that were killed at each kind of step; and those kinds."""
    return account, killed_until_through(account)


@pytest.fixture(scope="session")
def prod(born: tuple[Prod, set[str]]) -> Prod:
    """The stack, deployed."""
    return born[0]
