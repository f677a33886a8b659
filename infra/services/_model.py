"""What a service is. One module of this folder declares one `SERVICE`; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.settings import Settings


@dataclass(frozen=True)
class Build:
    """An image of our own: built on the target host from `dockerfile`, with the repository as context."""

    dockerfile: str


@dataclass(frozen=True)
class Resources:
    """What one replica reserves and may use. Memory in MiB, CPU in cores, disk in GB.

    The planner fits the reservations; Docker enforces the limits.
    """

    memory_mb: int
    memory_limit_mb: int
    cpu: float
    cpu_limit: float
    disk_gb: int = 0
    image_mb: int = 1024
    """Size of the image unpacked, in MiB; a GiB until measured, for an unknown size is not nothing."""
    measured: str = ""
    """How the reservation was measured, or empty when it was not."""
    processes: int = 512
    """Limit of processes and threads of one replica; `infra.component.containers` explains how it is enforced."""


@dataclass(frozen=True)
class Health:
    """A command that exits with 0 when the service answers. Times in seconds."""

    command: tuple[str, ...]
    interval_s: int = 5
    timeout_s: int = 5
    retries: int = 12
    start_period_s: int = 5


def answers(port: int, path: str) -> tuple[str, ...]:
    """Return a health check for an image with Python: it requests `path` over the network, like other containers."""
    ask = f"r.urlopen(f'http://{{gethostname()}}:{port}{path}', timeout=3).read()"
    return ("python", "-c", f"import urllib.request as r; from socket import gethostname; {ask}")


@dataclass(frozen=True)
class Volume:
    """A named volume. `data` survives `down` and goes onto the data volume in prod."""

    name: str
    path: str
    read_only: bool = False
    data: bool = True


@dataclass(frozen=True)
class Route:
    """An UI behind the proxy: `https://<host>.<domain>` to `port`, behind TLS and a login."""

    host: str
    port: int
    policy: Mapping[str, str] = field(default_factory=dict)
    """Sources by directive to add to the Content-Security-Policy, if the UI needs more than its own files."""


@dataclass(frozen=True)
class Metrics:
    """Where Prometheus finds the service's metrics."""

    port: int
    path: str = "/metrics"


@dataclass(frozen=True)
class Context:
    """What a service may look at when it renders its environment and files."""

    settings: Settings
    secrets: Mapping[str, str]
    services: tuple[Service, ...]


@dataclass(frozen=True)
class File:
    """A file that the container reads at `/run/fds/<name>`; never in its environment, image or arguments."""

    name: str
    content: Callable[[Context], str]
    wanted: Callable[[Settings], bool] = lambda _: True
    """Whether these settings call for it; a file without content cannot be delivered."""


def secret(name: str) -> File:
    """The generated secret `name`, as the file `/run/fds/<name>`."""
    return File(name, lambda context: context.secrets[name])


def _no_environment(_: Settings) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Service:
    """One service of the stack. Everything about it stands here and nowhere else."""

    name: str
    summary: str
    image: str | Build
    resources: Resources
    health: Health
    user: str
    """`uid:gid`; root only with a `root_reason`."""
    profile: str = "lean"
    entrypoint: tuple[str, ...] = ()
    """Replaces the entrypoint of the image when given."""
    command: tuple[str, ...] = ()
    environment: Callable[[Settings], Mapping[str, str]] = _no_environment
    """Plain values only: what is secret is a `File`."""
    secrets: tuple[str, ...] = ()
    """Names of the generated secrets that this service's files use."""
    asked: Callable[[Settings], tuple[str, ...]] = lambda _: ()
    """Names of secrets that its files use and that only the user has."""
    files: tuple[File, ...] = ()
    role: str = ""
    """The PostgreSQL role it logs in with; its password is the secret `<role>_password`."""
    databases: tuple[str, ...] = ()
    """PostgreSQL databases that `role` owns."""
    reads: tuple[str, ...] = ()
    """Databases of other services in which `role` may read everything."""
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    internet: bool = False
    """Whether its containers can reach the internet; the proxy always can."""
    route: Route | None = None
    metrics: Metrics | None = None
    published: Callable[[Settings], Mapping[int, int]] | None = None
    """Host port to container port; the proxy alone has one."""
    scaled_by: Literal["workers"] | None = None
    """The setting that says how many replicas run."""
    stateless: bool = False
    """Two versions may run side by side, so an update keeps the old one until the new one is healthy."""
    architectures: tuple[str, ...] = ("x86", "arm")
    shm_mb: int = 0
    root_reason: str = ""
    writable_root_reason: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def replicas(self, settings: Settings) -> int:
        """How many containers of this service run."""
        return settings.workers if self.scaled_by == "workers" else 1

    def ports(self, settings: Settings) -> tuple[tuple[str, int, int], ...]:
        """Return what this service publishes: address and port on the host, port inside the container."""
        if self.published is None:
            return ()
        address = "0.0.0.0" if settings.host == "hetzner" else "127.0.0.1"
        return tuple((address, outside, inside) for outside, inside in sorted(self.published(settings).items()))
