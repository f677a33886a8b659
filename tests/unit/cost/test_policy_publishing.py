"""Test that only the proxy, as declared in the catalogue, may publish ports."""

from __future__ import annotations

from typing import Any

import pytest

from infra.policy.hygiene import problems
from infra.policy.publishing import image_problem, publishers_of
from infra.policy.resources import CONTAINER, IMAGE, UNKNOWN, Resource
from infra.settings import Settings
from tests.unit.cost import kit

LOCAL = Settings.of("dev", {"httpPort": 8081})
ID = "sha256:" + "7" * 64


def proxy(settings: Settings, *, name: str = "", **props: Any) -> Resource:
    """Return the proxy's container; `props` replaces some of its inputs."""
    labels = {"fds.project": "freelancer-data-stack", "fds.service": "traefik", "fds.stack": settings.stack}
    ports = ((80, 8000), (443, 8443)) if settings.host == "hetzner" else ((8081, 8000), (8443, 8443))
    ip = "0.0.0.0" if settings.host == "hetzner" else "127.0.0.1"
    good: dict[str, Any] = {
        "image": ID,
        "memory": 128,
        "memorySwap": 128,
        "cpus": "0.5",
        "command": ["traefik", "--configfile=/run/fds/traefik.yml"],
        "user": "65532:65532",
        "labels": [{"label": key, "value": value} for key, value in labels.items()],
        "ports": [{"external": out, "internal": into, "ip": ip, "protocol": "tcp"} for out, into in ports],
    }
    return Resource(CONTAINER, name or f"{settings.stack}-traefik", {**good, **props})


def found(settings: Settings, **props: Any) -> list[str]:
    """Return the problems that the rules find in the proxy's container if `props` replaces some of its inputs."""
    return list(problems(proxy(settings, **props), settings))


@pytest.mark.parametrize("settings", [kit.settings(), LOCAL])
@pytest.mark.parametrize("image", [ID, UNKNOWN, "traefik:v3.7"])
def test_proxy_may_publish_the_ports_of_the_settings(settings: Settings, image: Any) -> None:
    assert found(settings, image=image) == []


@pytest.mark.parametrize(
    "props",
    [
        {"name": "prod-mine"}, {"image": "nginx:1.27"}, {"image": "traefik:v2.0"}, {"command": ["sh"]},
        {"command": None}, {"command": UNKNOWN}, {"entrypoints": ["sh"]}, {"user": "0:0"}, {"user": None},
        {"labels": None}, {"labels": UNKNOWN}, {"labels": [{"label": "fds.service", "value": "traefik"}]},
        {"labels": [{"label": "fds.service", "value": UNKNOWN}]},
    ],
)  # fmt: skip
def test_container_with_only_some_properties_of_the_proxy_may_not_publish_ports(props: dict[str, Any]) -> None:
    (problem,) = found(kit.settings(), **props)
    assert problem.endswith("publishes ports, only prod-traefik may")


def port(external: Any = 443, internal: Any = 8443, **more: Any) -> dict[str, Any]:
    """Return an entry of the container's input `ports`; the default values are the HTTPS port of the proxy."""
    return {"external": external, "internal": internal, **more}


@pytest.mark.parametrize(
    "ports",
    [
        [port(8080)], [port(443, 8082)], [port(None)], [port(0)], [{"internal": 8443}], [port(22, 8443)],
        [port(), port(5432, 5432)], [port(protocol="udp")], [port(ip="127.0.0.1")], [port(ip="::")],
        [port(UNKNOWN)], [port(mode="host")], [UNKNOWN], UNKNOWN, "443:8443",
    ],
)  # fmt: skip
def test_ports_of_the_proxy_that_the_settings_do_not_publish_are_refused(ports: Any) -> None:
    (problem,) = found(kit.settings(), ports=ports)
    assert problem.endswith("the settings publish 0.0.0.0:80, 0.0.0.0:443")


def test_proxy_of_a_local_stack_publishes_only_the_ports_of_the_settings_on_loopback() -> None:
    assert len(found(LOCAL, ports=[port(8443, ip="0.0.0.0")])) == 1
    assert len(found(LOCAL, ports=[port(443, ip="127.0.0.1")])) == 1
    assert found(LOCAL, ports=[port(8443.0, 8443.0, ip="127.0.0.1")]) == [], "the engine passes numbers as floats"


def test_container_that_publishes_all_ports_is_refused() -> None:
    assert found(kit.settings(), publishAllPorts=True) == ["prod-traefik sets publishAllPorts, which is not allowed"]


def image_problem_of(*resources: Resource) -> str:
    """Return the problem that the rule about images finds in a stack with these resources."""
    return image_problem(resources, publishers_of(kit.settings()))


def image(name: str, image_id: Any) -> Resource:
    """Return an image resource with its outputs."""
    return Resource(IMAGE, name, {"name": name, "imageId": image_id})


def test_container_that_publishes_ports_and_runs_another_image_than_the_proxy_is_refused() -> None:
    """A container names its image by the id, so the rule looks up the name of the image with that id."""
    own, other = image("traefik:v3.7", ID), image("nginx:1.27", "sha256:" + "8" * 64)
    assert image_problem_of(own, other, proxy(kit.settings())) == ""
    assert "prod-traefik publishes ports and runs sha256:888" in image_problem_of(
        own, other, proxy(kit.settings(), image="sha256:" + "8" * 64)
    )
    assert "and runs sha256:777" in image_problem_of(other, proxy(kit.settings()))
    assert image_problem_of(own, proxy(kit.settings(), image="sha256:" + "8" * 64, ports=[])) == ""


def test_image_of_the_proxy_is_recognized_when_pinned_by_digest() -> None:
    pinned, digest = f"traefik:v3.7@sha256:{'9' * 64}", f"sha256:{'9' * 64}"
    assert image_problem_of(image(pinned, ID), proxy(kit.settings())) == ""
    for other in ("nginx:1.27", "mine/traefik:v3.7", "traefik:v2.0", "traefik"):
        other = f"{other}@{digest}"
        assert "and runs sha256:777" in image_problem_of(image(other, ID), proxy(kit.settings()))
    assert list(problems(Resource(IMAGE, "mine", {"name": pinned}), kit.settings())) == []


def test_image_of_the_proxy_is_accepted_while_its_id_is_unknown() -> None:
    assert image_problem_of(image("traefik:v3.7", UNKNOWN), proxy(kit.settings(), image=UNKNOWN)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "traefik:v3.7",
        "docker.io/library/traefik:v3.7",
        "index.docker.io/traefik:v3.7",
        "mine/traefik:1",
        f"traefik:v3.7@sha256:{'9' * 64}",
        f"docker.io/library/traefik@sha256:{'9' * 64}",
    ],
)  # fmt: skip
def test_building_an_image_with_the_name_of_the_proxy_image_is_refused(name: str) -> None:
    built = Resource(IMAGE, "mine", {"name": name, "build": {"context": "."}})
    (problem,) = problems(built, kit.settings())
    assert problem == f"mine builds {name}, and the proxy's image is only pulled"
    assert list(problems(Resource(IMAGE, "mine", {"name": name}), kit.settings())) == []
