"""Define which inputs of Docker containers, images, networks and volumes are allowed.

Each table lists the inputs of one kind of resource that are harmless or checked, named as in pulumi-docker 5. Any other
input is refused, including new inputs of later versions, because no list of dangerous inputs can be complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from infra.policy.inputs import (
    Table,
    anything,
    each,
    inside,
    is_unset,
    keys,
    network_name,
    number,
    one_of,
    problems,
    volume_name,
)
from infra.policy.publishing import Publisher, build_problem, ports_problem
from infra.policy.resources import CONTAINER, IMAGE, NETWORK, VOLUME, Resource, Unknown


def harmless(*names: str) -> Table:
    """Return a table of inputs that may have any value."""
    return dict.fromkeys(names, anything)


def _pinned(path: str, value: Any) -> Iterator[str]:
    """Refuse an image that has neither a fixed tag nor a digest; an image id counts as a digest."""
    if not isinstance(value, str) or value.startswith("sha256:") or "@sha256:" in value:
        return
    tag = value.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        yield f"uses {value}, an image without a fixed tag"


def _host_path(path: str, value: Any) -> Iterator[str]:
    """Refuse every host path; the stack's containers need none."""
    yield f"sets {path} to {value}, but no path of the host may be mounted"


CONTAINER_INPUTS: Table = {
    **harmless(
        *("attach", "command", "containerReadRefreshTimeoutMilliseconds", "cpus", "cpuSet", "cpuShares"),
        *("destroyGraceSeconds", "dns", "dnsOpts", "dnsSearches", "domainname", "entrypoints", "envs", "healthcheck"),
        *("hostname", "hosts", "init", "labels", "logs", "maxRetryCount", "memory", "memoryReservation", "memorySwap"),
        *("mustRun", "name", "platform", "readOnly", "removeVolumes", "restart", "rm", "shmSize", "start"),
        *("stdinOpen", "stopSignal", "stopTimeout", "tmpfs", "tty", "user", "wait", "waitTimeout", "workingDir"),
    ),
    "capabilities": keys(harmless("drops")),
    "cgroupnsMode": one_of("private"),
    "image": _pinned,
    "ipcMode": one_of("private", "none"),
    "logDriver": one_of("json-file", "local", "none"),
    "logOpts": keys(harmless("compress", "max-file", "max-size")),
    "mounts": each(
        keys(
            {
                **harmless("readOnly", "tmpfsOptions"),
                "source": volume_name,
                "target": inside,
                "type": one_of("volume", "tmpfs"),
                "volumeOptions": keys(harmless("labels", "noCopy")),
            }
        )
    ),
    "networkMode": one_of("bridge", "none"),
    "networksAdvanced": each(
        keys({**harmless("aliases", "ipv4Address", "ipv6Address"), "name": network_name}),
    ),
    "ports": anything,  # checked by `ports_problem`, which needs the whole container
    "runtime": one_of("runc"),
    "securityOpts": each(one_of("no-new-privileges", "no-new-privileges:true")),
    "ulimits": each(keys({**harmless("hard", "soft"), "name": one_of("nproc")})),
    "uploads": each(
        keys(harmless("content", "contentBase64", "executable", "file", "group", "owner", "permissions")),
    ),
    "volumes": each(
        keys(
            {
                **harmless("readOnly"),
                "containerPath": inside,
                "hostPath": _host_path,
                "volumeName": volume_name,
            }
        )
    ),
}
_IMAGE: Table = {
    **harmless("forceRemove", "keepLocally", "platform", "pullTriggers", "triggers"),
    "build": keys(
        harmless(
            *("buildArgs", "context", "dockerfile", "forceRemove", "label", "labels", "noCache", "platform"),
            *("pullParent", "remove", "suppressOutput", "target", "useLegacyBuilder"),
        )
    ),
    "name": _pinned,
}
_NETWORK: Table = {
    **harmless("internal", "ipamConfigs", "ipv6", "labels"),
    "driver": one_of("bridge"),
    "ipamDriver": one_of("default"),
    "name": network_name,
    "options": keys({"com.docker.network.bridge.enable_icc": one_of("false")}),
}
_VOLUME: Table = {**harmless("labels"), "driver": one_of("local"), "name": volume_name}
_TABLES: Mapping[str, Table] = {CONTAINER: CONTAINER_INPUTS, IMAGE: _IMAGE, NETWORK: _NETWORK, VOLUME: _VOLUME}


def of_docker(resource: Resource, publishers: Collection[Publisher]) -> Iterator[str]:
    """Yield the problems of a Docker resource, each as a phrase that follows the resource's name."""
    table = _TABLES.get(resource.kind)
    if table is None:
        yield f"is a {resource.kind}, which is not allowed"
        return
    yield from problems(resource.props, table)
    if resource.kind == IMAGE:
        yield from build_problem(resource, publishers)
    if resource.kind == CONTAINER:
        yield from _limits(resource)
        if not is_unset(resource.props.get("ports")):
            yield from ports_problem(resource, publishers)


def _limits(resource: Resource) -> Iterator[str]:
    """Yield the missing limits. A limit that a preview does not know is checked before the container is created."""
    for key, what in (
        ("memory", "memory limit"),
        ("memorySwap", "limit of memory and swap together"),
        ("cpus", "CPU limit"),
    ):
        value = resource.props.get(key)
        if not isinstance(value, Unknown) and (number(value) or 0) <= 0:
            yield f"has no {what}"
