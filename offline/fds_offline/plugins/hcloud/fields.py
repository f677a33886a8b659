"""Define the properties of the hcloud provider and of all its resources except `Server`."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from fds_offline.plugins.fields import Field, missing

LABELS = Field("map")


def networks(values: Any) -> list[str] | None:
    """Return IP ranges in their canonical form, sorted; None if a range is unknown or invalid."""
    try:
        return sorted(str(ip_network(value, strict=False)) for value in values)
    except (TypeError, ValueError):
        return None


def _no_network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError as error:
        return str(error)
    return ""


def _same_networks(old: Any, new: Any) -> bool:
    return networks(old) is not None and networks(old) == networks(new)


CONFIG = {
    "token": Field("string"),
    "endpoint": Field("string"),
    "pollInterval": Field("string"),
    "pollFunction": Field("string", pattern="^(constant|exponential)$"),
    **missing("endpointHetzner"),
}
SSH_KEY = {
    "name": Field("string", auto_name=True),
    "publicKey": Field("string", required=True, replace=True),
    "labels": LABELS,
    "fingerprint": Field("string", output=True),
}
NETWORK = {
    "name": Field("string", auto_name=True),
    "ipRange": Field("string", required=True, replace=True),
    "labels": LABELS,
    "deleteProtection": Field("bool", default=False),
    "exposeRoutesToVswitch": Field("bool", default=False),
}
SUBNET = {
    "networkId": Field("int", required=True, replace=True),
    "type": Field("string", required=True, replace=True, pattern="^(cloud|server|vswitch)$"),
    "networkZone": Field("string", required=True, replace=True),
    "ipRange": Field("string", required=True, replace=True),
    "vswitchId": Field("int", replace=True),
    "gateway": Field("string", output=True),
}
SERVER_NETWORK = {
    "serverId": Field("int", required=True, replace=True),
    "networkId": Field("int", computed=True, replace=True),
    "subnetId": Field("string", replace=True),
    "ip": Field("string", computed=True, replace=True),
    "aliasIps": Field("set", default=[]),
    "macAddress": Field("string", output=True),
}
RULE = {
    "direction": Field("string", required=True, pattern="^(in|out)$"),
    "protocol": Field("string", required=True, pattern="^(tcp|udp|icmp|esp|gre)$"),
    "port": Field("string"),
    "sourceIps": Field("set", refuse=_no_network, unless=_same_networks),
    "destinationIps": Field("set", refuse=_no_network, unless=_same_networks),
    "description": Field("string"),
}
FIREWALL = {
    "name": Field("string", auto_name=True),
    "labels": Field("map", computed=True),
    "rules": Field("set", RULE),
    "applyTos": Field("set", {"labelSelector": Field("string"), "server": Field("int")}, computed=True),
}
FIREWALL_ATTACHMENT = {
    "firewallId": Field("int", required=True, replace=True),
    "serverIds": Field("set", items="int"),
    "labelSelectors": Field("set"),
}
VOLUME = {
    "name": Field("string", auto_name=True),
    "size": Field("int", required=True),
    "location": Field("string", computed=True, replace=True),
    "serverId": Field("int", computed=True),
    "labels": LABELS,
    "automount": Field("bool"),
    "format": Field("string"),
    "deleteProtection": Field("bool", default=False),
    "linuxDevice": Field("string", output=True),
}
VOLUME_ATTACHMENT = {
    "volumeId": Field("int", required=True, replace=True),
    "serverId": Field("int", required=True, replace=True),
    "automount": Field("bool", computed=True),
}
PRIMARY_IP = {
    "name": Field("string", auto_name=True),
    "type": Field("string", required=True, replace=True, pattern="^ipv[46]$"),
    "location": Field("string", computed=True, replace=True),
    "assigneeId": Field("int", computed=True),
    "assigneeType": Field("string", computed=True),
    "autoDelete": Field("bool", default=False),
    "labels": LABELS,
    "deleteProtection": Field("bool", default=False),
    "ipAddress": Field("string", output=True),
    "ipNetwork": Field("string", output=True),
    "datacenter": Field("string", missing=True, computed=True),
}
RDNS = {
    "serverId": Field("int", replace=True),
    "primaryIpId": Field("int", replace=True),
    "ipAddress": Field("string", required=True, replace=True),
    "dnsPtr": Field("string", required=True),
    **missing("floatingIpId", "loadBalancerId"),
}
ZONE = {
    "name": Field("string", auto_name=True, replace=True),
    "mode": Field("string", required=True, replace=True, pattern="^(primary|secondary)$"),
    "ttl": Field("int", default=3600),
    "labels": LABELS,
    "deleteProtection": Field("bool", computed=True),
    "authoritativeNameservers": Field("object", output=True),
    "registrar": Field("string", output=True),
    **missing("primaryNameservers"),
}
RRSET = {
    "zone": Field("string", required=True, replace=True),
    "name": Field("string", auto_name=True, replace=True),
    "type": Field("string", required=True, replace=True),
    "ttl": Field("int"),
    "labels": LABELS,
    "changeProtection": Field("bool", computed=True),
    "records": Field("set", {"value": Field("string", required=True), "comment": Field("string")}, required=True),
}
