"""Who may publish ports: the proxy as the catalogue declares it, and nobody else who carries its label."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import labels
from infra.policy.inputs import is_unset
from infra.policy.resources import CONTAINER, IMAGE, Resource, Unknown
from infra.services import selected
from infra.settings import Settings

Port = tuple[Any, Any, Any, Any]
"""Address and port on the host, port inside, protocol."""


@dataclass(frozen=True)
class Publisher:
    """A service that publishes ports: all that is known of its container before it is made."""

    name: str
    """Of the resource."""
    image: str
    """Name and tag."""
    labels: Mapping[str, str]
    process: Mapping[str, Any]
    """The inputs that say what runs in it, and as whom."""
    ports: tuple[Port, ...]


def publishers_of(settings: Settings) -> tuple[Publisher, ...]:
    """The containers of these settings that may publish ports, and which ones."""
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
    """Yield why a container that publishes ports may not, judged by its inputs.

    Its image is an id, which says no name: `image_problem` finds one that is not the proxy's.
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
    """Yield why an image may not be built under its name: it would take the place of the proxy's, in any registry."""
    name = image.props.get("name")
    if not is_unset(image.props.get("build")) and _short(name) in {_short(each.image) for each in publishers}:
        yield f"builds {name}, and the proxy's image is only pulled"


def _short(name: Any) -> str:
    """The last part of an image's name, without its tag."""
    return str(name).rpartition("/")[2].partition(":")[0]


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
            found[name] = "" if name in found else str(entry.get("value"))  # which of two counts, Docker decides
    return found


def _port(entry: Any) -> Port | None:
    """The port with the provider's defaults; None for what is no port or says more than one does."""
    if not isinstance(entry, Mapping) or entry.keys() - {"external", "internal", "ip", "protocol"}:
        return None
    address, protocol = entry.get("ip") or "0.0.0.0", entry.get("protocol") or "tcp"
    return (address, entry.get("external"), entry.get("internal"), protocol)


def image_problem(resources: Collection[Resource], publishers: Collection[Publisher]) -> str:
    """Why a container that publishes ports runs no image of the proxy, or an empty text.

    Args:
        resources: the whole stack with its outputs, where ids of images are known.
    """
    allowed = {each.image for each in publishers}
    pulled = [one for one in resources if one.kind == IMAGE and one.props.get("name") in allowed]
    ids = allowed | {one.props.get("imageId") for one in pulled}
    for one in resources:
        image = one.props.get("image")
        published = one.kind == CONTAINER and not is_unset(one.props.get("ports"))
        if published and not isinstance(image, Unknown) and image not in ids:
            return f"{one.name} publishes ports and runs {image}, which is not {' or '.join(sorted(allowed))}"
    return ""
