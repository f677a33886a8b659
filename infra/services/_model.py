"""Define the model of a service. Each module of this folder without a leading underscore declares one `SERVICE`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from infra.hosts import host_of
from infra.settings import Settings
from stack_runtime.text import Say

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Build:
    """An image that the Docker daemon of the stack's host builds from `dockerfile`."""

    dockerfile: str

    @property
    def name(self) -> str:
        """Return the name of the image, which is the name of the folder with its Dockerfile."""
        return PurePosixPath(self.dockerfile).parent.name


@dataclass(frozen=True)
class Resources:
    """Reservations and limits of one replica: memory in MiB, CPU in cores (its limit at least 0.1), disk in GB.

    The planner requires that the reservations of all services fit on the server; Docker enforces the limits.
    """

    memory_mb: int
    memory_limit_mb: int
    cpu: float
    cpu_limit: float
    disk_gb: int = 0
    image_mb: int = 1024
    """Size of the unpacked image in MiB; the default stands for an image that was not measured."""
    measured: str = ""
    """How the reservation was measured; empty if it was not measured."""
    processes: int = 512
    """Limit of processes and threads of one replica; `infra.component.containers` explains how it is enforced."""


@dataclass(frozen=True)
class Health:
    """Health check of a container: a command that exits with 0 if the service answers. Times are whole seconds."""

    command: tuple[str, ...]
    interval_s: int = 5
    timeout_s: int = 5
    retries: int = 12
    start_period_s: int = 5


def answers(port: int, path: str) -> tuple[str, ...]:
    """Return the command of a health check for an image with Python.

    It requests `path` at the container's network address, as other containers do, and not at `localhost`.
    """
    ask = f"r.urlopen(f'http://{{gethostname()}}:{port}{path}', timeout=3).read()"
    return ("python", "-c", f"import urllib.request as r; from socket import gethostname; {ask}")


def serves(port: int, path: str) -> tuple[str, ...]:
    """Return the same health check as `answers`, for an image that has a shell and wget, but no Python."""
    return ("sh", "-c", f'exec timeout 4 wget -q -T 3 -O /dev/null "http://$HOSTNAME:{port}{path}"')


@dataclass(frozen=True)
class Volume:
    """A named Docker volume. If `data` is true, it survives `fds down` without the option `--volumes`.

    If a service has such a volume, the planner counts all of the service's `disk_gb` on the server's data volume.
    """

    name: str
    path: str
    read_only: bool = False
    data: bool = True


@dataclass(frozen=True)
class Route:
    """Route of a UI: `https://<host>.<domain>` to `port`, with TLS and a login."""

    host: str
    port: int
    policy: Mapping[str, str] = field(default_factory=dict)
    """Sources by directive of the Content-Security-Policy, for a UI that needs more than its own files. A directive is
    added to `traefik.POLICY`, or replaces the directive of the same name there."""
    sends_policy: bool = False
    """Whether the UI sends a Content-Security-Policy of its own, which the proxy then passes on unchanged."""
    hidden: tuple[str, ...] = ()
    """Path prefixes that the proxy does not route."""


@dataclass(frozen=True)
class Metrics:
    """Address of the service's metrics; Prometheus scrapes every service that has such an address."""

    port: int
    path: str = "/metrics"
    watches: Mapping[str, str] = field(default_factory=dict)
    """Names of watched services, by the metric (a gauge) that is 0 while the service does not answer."""


@dataclass(frozen=True)
class Context:
    """Values from which the content of a service's files is rendered."""

    settings: Settings
    secrets: Mapping[str, str]
    services: tuple[Service, ...]


@dataclass(frozen=True)
class File:
    """A file that the container reads at `/run/fds/<name>`; its content is in no image, argument or environment.

    A name may have folders, such as `dashboards/server.json`.
    """

    name: str
    content: Callable[[Context], str]
    wanted: Callable[[Settings], bool] = lambda _: True
    """Function that returns whether the settings need the file. It must return False for a file that would be empty,
    because an empty file cannot be delivered."""


def secret(name: str, wanted: Callable[[Settings], bool] = lambda _: True) -> File:
    """Return the secret `name` as the file `/run/fds/<name>`."""
    return File(name, lambda context: context.secrets[name], wanted)


def address_of(host: str, settings: Settings) -> str:
    """Return the URL of the UI named `host` in the stack's domain, such as `https://dashboard.localhost:8443`."""
    _, https = host_of(settings).ports(settings)
    port = "" if https == 443 else f":{https}"
    return f"https://{host}.{settings.domain}{port}"


def _no_environment(_: Settings) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Service:
    """The single definition of one service of the stack."""

    name: str
    image: str | Build
    resources: Resources
    health: Health
    user: str
    """`uid:gid`; never root."""
    profile: str = "lean"
    wanted: Callable[[Settings], bool] = lambda _: True
    """Function that returns whether the settings allow the service. An allowed service runs if its profile is selected
    or another service needs it."""
    entrypoint: tuple[str, ...] = ()
    """Entrypoint that replaces the entrypoint of the image; empty to keep that of the image."""
    command: tuple[str, ...] = ()
    environment: Callable[[Settings], Mapping[str, str]] = _no_environment
    """Function that returns the environment variables. They hold no secrets; a secret is delivered as a `File`."""
    secrets: tuple[str, ...] = ()
    """Names of the generated secrets that this service's files use."""
    asked: Callable[[Settings], tuple[str, ...]] = lambda _: ()
    """Function that returns the names of the secrets that the service's files use and that the user must provide."""
    files: tuple[File, ...] = ()
    role: str = ""
    """PostgreSQL role of the service; its password is the secret `<role>_password`."""
    databases: tuple[str, ...] = ()
    """PostgreSQL databases that `role` owns."""
    reads: tuple[str, ...] = ()
    """Databases of other services that `role` may read."""
    marts_reader: str = ""
    """PostgreSQL role that may read the schema `marts` of the database `marts` and nothing else; its password is the
    secret `<marts_reader>_password`."""
    member_of: tuple[str, ...] = ()
    """PostgreSQL's predefined roles that `role` is a member of."""
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    replaces: str = ""
    """Name of the service that this service replaces. Services that need the replaced service start after this
    service."""
    internet: bool = False
    """Whether the service's containers can reach the internet; the proxy always can."""
    route: Route | None = None
    metrics: Metrics | None = None
    scrapes: bool = False
    """Whether the service scrapes the metrics of other services; then it also joins the network of the proxy."""
    probes: bool = False
    """Whether the service requests the UIs of other services; then it joins only the network of the proxy."""
    published: Callable[[Settings], Mapping[int, int]] | None = None
    """Function that returns the published ports: container port by host port. Only the proxy publishes ports."""
    scaled_by: Literal["workers"] | None = None
    """The setting with the number of replicas; None for a single replica."""
    stateless: bool = False
    """Whether an update keeps the old container until the new container is healthy; meanwhile, both versions run."""
    architectures: tuple[str, ...] = ("x86", "arm")
    shm_mb: int = 0
    grace_s: int = 20
    """How long a container that is stopped may take to end its work before it is killed, in seconds."""
    after_up: Callable[[DockerClient, str, Say], None] | None = None
    """Function to call at the end of `fds up`, if every service is healthy, with the stack's Docker client, the stack's
    name, and a function that prints a line."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the service's containers, in addition to the stack's labels."""

    def replicas(self, settings: Settings) -> int:
        """Return the number of containers of this service."""
        return settings.workers if self.scaled_by == "workers" else 1

    def ports(self, settings: Settings) -> tuple[tuple[str, int, int], ...]:
        """Return the published ports: address and port on the host, port in the container."""
        if self.published is None:
            return ()
        address = host_of(settings).bind_address
        return tuple((address, outside, inside) for outside, inside in sorted(self.published(settings).items()))
