"""Rules for containers, images and volumes that keep one server safe and its limits meaningful."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any

from infra.labels import SERVICE_LABEL
from infra.policy.pricing import CONTAINER
from infra.policy.resources import Resource, Unknown

IMAGES = ("docker:index/remoteImage:RemoteImage", "docker:index/image:Image")
VOLUME = "docker:index/volume:Volume"
_SOCKET = PurePosixPath("/var/run/docker.sock")
_ALIASES = (_SOCKET, PurePosixPath("/run/docker.sock"), PurePosixPath("/run/containerd/containerd.sock"))


def problems(resource: Resource, publishers: Collection[str]) -> Iterator[str]:
    """What is wrong with one resource. `publishers`: services that may publish ports, the proxy alone."""
    if resource.kind == CONTAINER:
        yield from _limits(resource)
        yield from _ports(resource, publishers)
        yield from _image(resource, "image")
        yield from _mounts(resource)
    elif resource.kind in IMAGES:
        yield from _image(resource, "name" if "name" in resource.props else "imageName")
    elif resource.kind == VOLUME:
        options = resource.props.get("driverOpts")
        device = options.get("device") if isinstance(options, dict) else None
        yield from _path(resource, device)


def _limits(resource: Resource) -> Iterator[str]:
    memory, swap = resource.props.get("memory"), resource.props.get("memorySwap")
    if not isinstance(memory, Unknown) and not _above_zero(memory):
        yield f"{resource.name} has no memory limit"
    if not isinstance(swap, Unknown) and not _above_zero(swap):
        yield f"{resource.name} has no limit of memory and swap together"
    cpus = resource.props.get("cpus")
    if not isinstance(cpus, Unknown) and not _above_zero(cpus):
        yield f"{resource.name} has no CPU limit"


def _above_zero(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return False


def _ports(resource: Resource, publishers: Collection[str]) -> Iterator[str]:
    """What is not known yet counts as published: a port that opens later is open."""
    ports = resource.props.get("ports")
    if (ports or resource.props.get("publishAllPorts")) and _service(resource) not in publishers:
        yield f"{resource.name} publishes ports, only {' and '.join(sorted(publishers))} may"
    if resource.props.get("networkMode") == "host":
        yield f"{resource.name} shares the host's network"


def _service(resource: Resource) -> str:
    for label in resource.props.get("labels") or ():
        if isinstance(label, dict) and label.get("label") == SERVICE_LABEL:
            return str(label.get("value"))
    return ""


def _image(resource: Resource, key: str) -> Iterator[str]:
    """A tag or a digest; an image id, which is a digest without a name, is one too."""
    name = resource.props.get(key)
    if not isinstance(name, str) or name.startswith("sha256:") or "@sha256:" in name:
        return
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        yield f"{resource.name} uses {name}, an image without a fixed tag"


def _mounts(resource: Resource) -> Iterator[str]:
    if resource.props.get("privileged"):
        yield f"{resource.name} is privileged"
    for key, field in (("volumes", "hostPath"), ("mounts", "source")):
        entries = resource.props.get(key) or ()
        for entry in () if isinstance(entries, Unknown) else entries:
            if isinstance(entry, dict):
                yield from _path(resource, entry.get(field))


def _path(resource: Resource, path: Any) -> Iterator[str]:
    """The socket itself, or a folder from which it can be reached."""
    if not isinstance(path, str) or not path.startswith("/"):
        return
    asked = PurePosixPath("/", *(part for part in PurePosixPath(path).parts if part not in ("/", ".")))
    if ".." in asked.parts or any(asked == socket or asked in socket.parents for socket in _ALIASES):
        yield f"{resource.name} mounts {path}, which gives it Docker's socket"
