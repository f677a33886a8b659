"""Define the properties of `hcloud:index/server:Server`."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from fds_offline.plugins.fields import Field, missing


def user_data_hash(text: str) -> str:
    """Return user data as the official provider records it: base64 of its SHA-1, so that no secret is in the state."""
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _same_user_data(old: Any, new: Any) -> bool:
    if not isinstance(old, str) or not isinstance(new, str):
        return False
    return old.strip() == new.strip() or old == user_data_hash(new)


PUBLIC_NET = {
    "ipv4Enabled": Field("bool", default=True),
    "ipv6Enabled": Field("bool", default=True),
    "ipv4": Field("int", computed=True),
    "ipv6": Field("int", computed=True),
}
NETWORK = {
    "networkId": Field("int", computed=True),
    "subnetId": Field("string", computed=True),
    "ip": Field("string", computed=True),
    "aliasIps": Field("set", computed=True),
    "macAddress": Field("string", computed=True),
}
SERVER = {
    "name": Field("string", auto_name=True),
    "serverType": Field("string", required=True),
    "image": Field("string", computed=True, replace=True),
    "location": Field("string", computed=True, replace=True),
    "userData": Field("string", replace=True, unless=_same_user_data),
    "sshKeys": Field("list", replace=True),
    "keepDisk": Field("bool", default=False),
    "backups": Field("bool", default=False),
    "labels": Field("map"),
    "publicNets": Field("set", PUBLIC_NET, computed=True),
    "networks": Field("set", NETWORK, computed=True),
    "firewallIds": Field("set", items="int", computed=True),
    "placementGroupId": Field("int"),
    "deleteProtection": Field("bool", default=False),
    "rebuildProtection": Field("bool", default=False),
    "shutdownBeforeDeletion": Field("bool", default=False),
    "backupWindow": Field("string", output=True),
    "ipv4Address": Field("string", output=True),
    "ipv6Address": Field("string", output=True),
    "ipv6Network": Field("string", output=True),
    "primaryDiskSize": Field("int", output=True),
    "status": Field("string", output=True),
    "datacenter": Field("string", missing=True, computed=True),
    **missing("allowDeprecatedImages", "ignoreRemoteFirewallIds", "iso", "rescue"),
}
UNREAD = ("userData", "sshKeys", "keepDisk", "publicNets", "shutdownBeforeDeletion")
"""Inputs whose values are not read from the API: recorded values stay, and an imported server has no such values."""
