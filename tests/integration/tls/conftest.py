"""Run a certificate authority, and Traefik with the settings of a stack on a server, but on a local address."""

from __future__ import annotations

import io
import random
import socket
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.models.containers import Container

from fds_offline import registry
from infra.component import generated_secrets
from infra.services import Context, Service, selected
from infra.services.traefik import DNS_TOKEN, HTTP, HTTPS
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from tests.kit.acme import CertificateAuthority
from tests.kit.https import Visitor

DOMAIN = "stack.test"
START_SECONDS = 60.0


@dataclass
class Proxy:
    """Traefik, the proxy of a stack, in a container that these tests create themselves.

    Traefik's files are the same as in a deployment to a server. The container has only the options of
    `infra.component.containers` that these tests need. Ports 80 and 443 are published only on `address`.
    """

    address: str
    settings: Settings
    authority: CertificateAuthority
    secrets: Mapping[str, str]
    made: list[Any] = field(default_factory=list)
    container: Container | None = None

    @property
    def services(self) -> tuple[Service, ...]:
        return selected(self.settings)

    @property
    def names(self) -> list[str]:
        """Return the host name of every UI of the stack."""
        return [f"{service.route.host}.{DOMAIN}" for service in self.services if service.route]

    def start(self) -> None:
        """Start a backend for every route, create volumes for files and certificates, and start the proxy."""
        client = local_docker()
        network = client.networks.create(f"tls-{random.randrange(10**9)}")
        self.made.append(network)
        for service in self.services:
            if service.route:
                answer = ["python", "-m", "http.server", str(service.route.port), "--directory", "/var/empty"]
                command = ["sh", "-c", f"mkdir -p /var/empty && exec {' '.join(answer)}"]
                backend = client.containers.create("python:3.11-slim", command)
                self.made.append(backend)
                network.connect(backend, aliases=[service.name])
                backend.start()
        volumes = {name: client.volumes.create(f"{network.name}-{name}") for name in ("files", "certificates")}
        self.made += volumes.values()
        self._network = network.name
        self._mounts = {name: volume.name for name, volume in volumes.items()}
        self._deliver(client)
        self.replace()

    def replace(self) -> None:
        """Replace the proxy's container and keep the volumes, as an update does."""
        client = local_docker()
        if self.container is not None:
            self.container.remove(force=True)
        proxy = next(service for service in self.services if service.published)
        certificates = next(volume.path for volume in proxy.volumes)
        self.container = client.containers.run(
            proxy.image,
            list(proxy.command),
            detach=True,
            user=proxy.user,
            environment=dict(proxy.environment(self.settings)),
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            tmpfs=dict.fromkeys(proxy.tmpfs, "rw,nosuid,nodev,size=256m,mode=1777"),
            volumes={
                self._mounts["files"]: {"bind": "/run/fds", "mode": "ro"},
                self._mounts["certificates"]: {"bind": certificates, "mode": "rw"},
            },
            network=self._network,
            ports={f"{HTTP}/tcp": (self.address, 80), f"{HTTPS}/tcp": (self.address, 443)},
        )

    def _deliver(self, client: docker.DockerClient) -> None:
        proxy = next(service for service in self.services if service.published)
        context = Context(self.settings, self.secrets, self.services)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for file in proxy.files:
                content = file.content(context).encode()
                entry = tarfile.TarInfo(file.name)
                entry.size, entry.mode = len(content), 0o444
                tar.addfile(entry, io.BytesIO(content))
        file_uploader = client.containers.create(proxy.image, volumes={self._mounts["files"]: {"bind": "/files"}})
        file_uploader.put_archive("/files", archive.getvalue())
        file_uploader.remove()

    @property
    def visitor(self) -> Visitor:
        """Return an HTTPS client that trusts only the test's certificate authority."""
        return Visitor(lambda _: [self.address], self._issuer)

    def wait_for_certificates(self) -> None:
        """Wait until every UI has its certificate."""
        for name in self.names:
            assert self.visitor.wait_for(name, START_SECONDS), self.logs()

    def logs(self) -> str:
        """Return the ends of the logs of the proxy and the certificate authority, for the message of a failed test."""
        proxy = self.container.logs().decode(errors="replace") if self.container else ""
        return f"{proxy[-4000:]}\n{self.authority.log()}"

    def remove(self) -> None:
        """Remove everything that `start` created."""
        if self.container is not None:
            self.container.remove(force=True)
        for item in sorted(self.made, key=lambda one: not isinstance(one, Container)):
            item.remove(**({"force": True} if isinstance(item, Container) else {}))

    def __post_init__(self) -> None:
        self._issuer = self.authority.issuer()


@contextmanager
def running(**settings: str) -> Iterator[Proxy]:
    """Run the proxy inside a `with` block, at first without certificates; `settings` are added to the defaults."""
    address = _free_address()
    with CertificateAuthority(registry.bridge(local_docker()), lambda _: [address]) as authority:
        server = {"host": "hetzner", "profiles": ["full"], "domain": DOMAIN, "email": f"someone@{DOMAIN}"}
        private = {"certificates": authority.directory, "certificateRoot": authority.root}
        checked = Settings.of("e2e-tls", server | private | settings)
        secrets = {name: generated_secrets.value(name) for name in {*generated_secrets.names(checked), DNS_TOKEN}}
        made = Proxy(address, checked, authority, secrets)
        try:
            made.start()
            yield made
        finally:
            made.remove()


def _free_address() -> str:
    """Return an address of the loopback network whose ports 80 and 443 are free."""
    for _ in range(50):
        address = f"127.{random.randrange(100, 250)}.{random.randrange(250)}.{random.randrange(2, 250)}"
        try:
            for port in (80, 443):
                socket.create_server((address, port)).close()
        except OSError:
            continue
        return address
    raise AssertionError("ports 80 and 443 are in use on every address that was tried")
