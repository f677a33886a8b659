"""Define the docker provider as a package of resources."""

from __future__ import annotations

from fds_offline.plugins.docker.container_fields import CONTAINER_FIELDS
from fds_offline.plugins.docker.fields import CONFIG, NETWORK, REMOTE_IMAGE, VOLUME
from fds_offline.plugins.resources import Kind, Package

_HERE = "fds_offline.plugins.docker"

PACKAGE = Package(
    name="docker",
    version="5.2.0",
    config=CONFIG,
    kinds={
        "docker:index/network:Network": Kind(NETWORK, f"{_HERE}.network", "Network"),
        "docker:index/volume:Volume": Kind(VOLUME, f"{_HERE}.volume", "Volume"),
        "docker:index/remoteImage:RemoteImage": Kind(REMOTE_IMAGE, f"{_HERE}.image", "RemoteImage"),
        "docker:index/container:Container": Kind(
            CONTAINER_FIELDS, f"{_HERE}.container", "Container", delete_first=True
        ),
    },
    client=f"{_HERE}.connection",
)
"""The provider that the plugin serves, with the version of the official provider whose behaviour it follows."""
