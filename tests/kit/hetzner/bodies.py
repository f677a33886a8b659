"""Define the bodies of requests; the modules of firewalls, networks and zones define their own.

Unknown fields are refused, so that a misspelled field is an error.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import ApiError, invalid

_PART = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"({_PREFIX}/)?{_PART}")
_VALUE = re.compile(rf"({_PART})?")
USER_DATA_BYTES = 32 * 1024


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not _KEY.fullmatch(key) or key.startswith("hetzner.cloud/"):
            raise ValueError(f"invalid label key '{key}'")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"invalid value of label '{key}'")
    return labels


def _small(user_data: str) -> str:
    if len(user_data.encode()) > USER_DATA_BYTES:
        raise ValueError("must not be larger than 32 KiB")
    return user_data


Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
_HOST_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
Hostname = Annotated[str, Field(max_length=253, pattern=rf"^{_HOST_LABEL}(\.{_HOST_LABEL})*$")]
UserData = Annotated[str, AfterValidator(_small)]
IdOrName = int | str
VolumeSize = Annotated[int, Field(ge=10, le=10_240)]
Ttl = Annotated[int, Field(ge=60, le=2_147_483_647)]


class Body(BaseModel):
    """A request body, which accepts only values of exact types and no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def of(cls, raw: Any) -> Any:
        """Check `raw` and return it as a body.

        Raises:
            ApiError: `invalid_input`, which names the first wrong field.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            raise invalid(".".join(str(part) for part in first["loc"]) or "body", first["msg"]) from None


class Empty(Body):
    """The body of an action without arguments."""


class Update(Body):
    name: Name | None = None
    labels: Labels | None = None


class FirewallRef(Body):
    firewall: int


class PublicNet(Body):
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    ipv4: int | None = None
    ipv6: int | None = None


class ServerCreate(Body):
    name: Hostname
    server_type: IdOrName
    image: IdOrName
    location: IdOrName | None = None
    ssh_keys: list[IdOrName] = []
    volumes: list[int] = []
    networks: list[int] = []
    firewalls: list[FirewallRef] = []
    user_data: UserData = ""
    labels: Labels = {}
    automount: bool | None = None
    start_after_create: bool = True
    placement_group: int | None = None
    public_net: PublicNet = PublicNet()


class ServerUpdate(Body):
    name: Hostname | None = None
    labels: Labels | None = None


class ServerProtection(Body):
    delete: bool | None = None
    rebuild: bool | None = None


class ChangeType(Body):
    server_type: IdOrName
    upgrade_disk: bool


class Rebuild(Body):
    image: IdOrName
    user_data: UserData | None = None


class CreateImage(Body):
    type: Literal["snapshot", "backup"] = "snapshot"
    description: str | None = None
    labels: Labels = {}


class AttachToNetwork(Body):
    network: int
    ip: str | None = None
    ip_range: str | None = None
    alias_ips: list[str] = []


class NetworkRef(Body):
    network: int


class DnsPtr(Body):
    ip: str
    dns_ptr: str | None


class Protection(Body):
    delete: bool


class VolumeCreate(Body):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    size: VolumeSize
    location: IdOrName | None = None
    server: int | None = None
    format: Literal["ext4", "xfs"] | None = None
    automount: bool | None = None
    labels: Labels = {}


class VolumeAttach(Body):
    server: int
    automount: bool | None = None


class VolumeResize(Body):
    size: VolumeSize


class SshKeyCreate(Body):
    name: Name
    public_key: str
    labels: Labels = {}


class PrimaryIpCreate(Body):
    name: Name
    type: Literal["ipv4", "ipv6"]
    assignee_type: Literal["server"] = "server"
    assignee_id: int | None = None
    location: IdOrName | None = None
    auto_delete: bool = False
    labels: Labels = {}


class PrimaryIpUpdate(Update):
    auto_delete: bool | None = None


class PrimaryIpAssign(Body):
    assignee_id: int
    assignee_type: Literal["server"] = "server"


class FloatingIpCreate(Body):
    type: Literal["ipv4", "ipv6"]
    name: Name | None = None
    description: str | None = None
    home_location: IdOrName | None = None
    server: int | None = None
    labels: Labels = {}


class FloatingIpUpdate(Update):
    description: str | None = None


class ServerRef(Body):
    server: int


class ImageUpdate(Body):
    description: str | None = None
    type: Literal["snapshot"] | None = None
    labels: Labels | None = None


def parse_json(raw: bytes) -> dict[str, Any]:
    """Parse the body of a request, which must be a JSON object or empty.

    Raises:
        ApiError: `json_error`.
    """
    try:
        parsed = json.loads(raw) if raw else {}
    except ValueError:
        raise ApiError("json_error", "invalid JSON in the request") from None
    if not isinstance(parsed, dict):
        raise ApiError("json_error", "the request must be a JSON object")
    return parsed
