"""Allow only the proxy, as declared in the catalogue, to publish ports; having the proxy's label is not enough."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import image_lock
from infra.policy.inputs import is_unset
from infra.policy.resources import CONTAINER, IMAGE, Resource, Unknown
from infra.services import selected
from infra.settings import Settings
from stack_runtime import labels

Port = tuple[Any, Any, Any, Any]
"""Address and port on the host, port in the container, and protocol."""


@dataclass(frozen=True)
class Publisher:
    """A service that publishes ports, and the properties of its container that are known before its creation."""

    name: str
    """Name of the container's Pulumi resource."""
    image: str
    """Name and tag of the image."""
    labels: Mapping[str, str]
    process: Mapping[str, Any]
    """Inputs that define command, entry point and user."""
    ports: tuple[Port, ...]


def publishers_of(settings: Settings) -> tuple[Publisher, ...]:
    """Return the containers that may publish ports with these settings, and which ports."""
    return tuple(
        Publisher(
            name=labels.container_name(settings.stack, service.name),
            image=str(service.image),
            labels=labels.of_service(settings.stack, service.name),
            process={
                "command": list(service.command),
                "entrypoints": list(service.entrypoint),
                "user": service.user,
            },
            ports=tuple((*port, "tcp") for port in service.ports(settings)),
        )
        for service in selected(settings)
        if service.published
    )


def ports_problem(resource: Resource, publishers: Collection[Publisher]) -> Iterator[str]:
    """Yield why a container may not publish ports, judged by its inputs.

    An image given by id is accepted here; `image_problem` later checks that it is the proxy's image.
    """
    publisher = next((each for each in publishers if _is(resource, each)), None)
    if publisher is None:
        yield f"publishes ports, only {' and '.join(each.name for each in publishers) or 'nothing'} may"
        return
    ports = resource.props["ports"]
    if isinstance(ports, Unknown) or any(_port(entry) not in publisher.ports for entry in ports):
        allowed = ", ".join(f"{address}:{outside}" for address, outside, *_ in publisher.ports)
        yield f"publishes {ports}, the settings publish {allowed}"


def build_problem(image: Resource, publishers: Collection[Publisher]) -> Iterator[str]:
    """Yield why an image may not be built under its name: it could replace the proxy's image."""
    name = image.props.get("name")
    if not is_unset(image.props.get("build")) and _short(name) in {_short(each.image) for each in publishers}:
        yield f"builds {name}, and the proxy's image is only pulled"


def _short(name: Any) -> str:
    """Return the last part of an image's name, without its tag and digest."""
    return image_lock.unpinned(str(name)).rpartition("/")[2].partition(":")[0]


def _is(resource: Resource, publisher: Publisher) -> bool:
    props = resource.props
    image = props.get("image")
    known = isinstance(image, Unknown) or image == publisher.image or str(image).startswith("sha256:")
    return (
        resource.name == publisher.name
        and known
        and publisher.labels.items() <= _labels(props.get("labels")).items()
        and all((props.get(key) or type(value)()) == value for key, value in publisher.process.items())
    )


def _labels(entries: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries if isinstance(entries, Sequence) else ():
        if isinstance(entry, Mapping):
            name = str(entry.get("label"))
            # Use an empty value for a duplicate label, because it is not known which of the values Docker uses.
            found[name] = "" if name in found else str(entry.get("value"))
    return found


def _port(entry: Any) -> Port | None:
    """Return the port, with the provider's defaults for missing values; None if it is no port or has other keys."""
    if not isinstance(entry, Mapping) or entry.keys() - {"external", "internal", "ip", "protocol"}:
        return None
    address, protocol = entry.get("ip") or "0.0.0.0", entry.get("protocol") or "tcp"
    return (address, entry.get("external"), entry.get("internal"), protocol)


def image_problem(resources: Collection[Resource], publishers: Collection[Publisher]) -> str:
    """Return which container publishes ports without running the proxy's image, or an empty text.

    Names of images are compared without their digests, which do not change the repository that an image comes from.

    Args:
        resources: all resources of the stack with their outputs, which include the ids of images.
    """
    allowed = {each.image for each in publishers}
    images = [one for one in resources if one.kind == IMAGE]
    pulled = [one for one in images if image_lock.unpinned(str(one.props.get("name"))) in allowed]
    ids = allowed | {one.props.get("imageId") for one in pulled}
    for one in resources:
        image = one.props.get("image")
        published = one.kind == CONTAINER and not is_unset(one.props.get("ports"))
        if published and not isinstance(image, Unknown) and image not in ids:
            return f"{one.name} publishes ports and runs {image}, which is not {' or '.join(sorted(allowed))}"
    return ""
