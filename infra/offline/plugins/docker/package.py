"""The docker provider as a package of resources."""

from __future__ import annotations

from typing import Any

from infra.offline.plugins.docker.container import Container
from infra.offline.plugins.docker.image import RemoteImage
from infra.offline.plugins.docker.network import Network
from infra.offline.plugins.docker.volume import Volume
from infra.offline.plugins.fields import Field, missing
from infra.offline.plugins.provider import Package, State

VERSION = "5.2.0"
"""The version of the official provider whose behaviour is followed."""

CONFIG = {
    "host": Field("string"),
    "sshOpts": Field("string"),
    "certPath": Field("string"),
    "disableDockerDaemonCheck": Field("string"),
    **missing("caMaterial", "certMaterial", "context", "keyMaterial", "registryAuth"),
}


def _connect(settings: State) -> Any:
    from infra.offline.plugins.docker.connection import connect

    return connect(settings)


def package() -> Package:
    """What the plugin serves."""
    import requests
    from docker.errors import DockerException

    return Package(
        name="docker",
        version=VERSION,
        config=CONFIG,
        resources={
            "docker:index/network:Network": Network(),
            "docker:index/volume:Volume": Volume(),
            "docker:index/remoteImage:RemoteImage": RemoteImage(),
            "docker:index/container:Container": Container(),
        },
        connect=_connect,
        errors=(DockerException, requests.RequestException, OSError),
    )
