"""The hcloud provider as a package of resources."""

from __future__ import annotations

import requests
from hcloud import APIException, HCloudException

from infra.offline.plugins.fields import Field, missing
from infra.offline.plugins.hcloud.address import PrimaryIp, Rdns
from infra.offline.plugins.hcloud.basics import Network, NetworkSubnet, ServerNetwork, SshKey
from infra.offline.plugins.hcloud.cloud import connect, readable
from infra.offline.plugins.hcloud.firewall import Firewall, FirewallAttachment
from infra.offline.plugins.hcloud.server import Server
from infra.offline.plugins.hcloud.volume import Volume, VolumeAttachment
from infra.offline.plugins.hcloud.zone import Zone, ZoneRrset
from infra.offline.plugins.provider import Package, Resource

VERSION = "1.43.3"
"""The version of the official provider whose behaviour is followed."""

CONFIG = {
    "token": Field("string"),
    "endpoint": Field("string"),
    "pollInterval": Field("string"),
    "pollFunction": Field("string", pattern="^(constant|exponential)$"),
    **missing("endpointHetzner"),
}
_RESOURCES: tuple[Resource, ...] = (
    *(SshKey(), Firewall(), FirewallAttachment(), Network(), NetworkSubnet(), Server(), ServerNetwork()),
    *(Volume(), VolumeAttachment(), PrimaryIp(), Rdns(), Zone(), ZoneRrset()),
)


def _token(resource: Resource) -> str:
    name = type(resource).__name__
    return f"hcloud:index/{name[0].lower()}{name[1:]}:{name}"


def package() -> Package:
    """What the plugin serves."""
    return Package(
        name="hcloud",
        version=VERSION,
        config=CONFIG,
        resources={_token(resource): resource for resource in _RESOURCES},
        connect=connect,
        errors=(APIException, HCloudException, requests.RequestException),
        readable=readable,
    )
