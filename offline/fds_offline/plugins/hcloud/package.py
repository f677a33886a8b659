"""Define the hcloud provider as a package of resources."""

from __future__ import annotations

from fds_offline.plugins.fields import Fields
from fds_offline.plugins.hcloud import fields
from fds_offline.plugins.hcloud.server_fields import SERVER
from fds_offline.plugins.resources import Kind, Package

_HERE = "fds_offline.plugins.hcloud"
_FIELDS: dict[str, tuple[str, Fields]] = {
    "SshKey": ("basics", fields.SSH_KEY),
    "Network": ("basics", fields.NETWORK),
    "NetworkSubnet": ("basics", fields.SUBNET),
    "ServerNetwork": ("basics", fields.SERVER_NETWORK),
    "Firewall": ("firewall", fields.FIREWALL),
    "FirewallAttachment": ("firewall", fields.FIREWALL_ATTACHMENT),
    "Server": ("server", SERVER),
    "Volume": ("volume", fields.VOLUME),
    "VolumeAttachment": ("volume", fields.VOLUME_ATTACHMENT),
    "PrimaryIp": ("address", fields.PRIMARY_IP),
    "Rdns": ("address", fields.RDNS),
    "Zone": ("zone", fields.ZONE),
    "ZoneRrset": ("zone", fields.RRSET),
}
_FRAMEWORK = ("SshKey", "ServerNetwork", "Zone", "ZoneRrset")
"""Resources that the official provider implements with Terraform's newer plugin framework.

If an update of such a resource fails, the engine keeps the old record, so `Kind.partial` is False."""
_ONE_AT_A_TIME = ("ServerNetwork", "VolumeAttachment", "Rdns")
"""Resources whose replacement deletes the old resource first, because both cannot exist at once.

A server is in a network only once, a volume is attached to only one server, and an address has only one DNS name."""

PACKAGE = Package(
    name="hcloud",
    version="1.43.3",
    config=fields.CONFIG,
    kinds={
        f"hcloud:index/{name[0].lower()}{name[1:]}:{name}": Kind(
            own, f"{_HERE}.{module}", name, name in _ONE_AT_A_TIME, name not in _FRAMEWORK
        )
        for name, (module, own) in _FIELDS.items()
    },
    client=f"{_HERE}.cloud",
)
"""The provider that the plugin serves, with the version of the official provider whose behaviour it follows."""
