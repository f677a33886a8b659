"""Define the configuration of the Docker daemon on a server."""

from __future__ import annotations

from typing import Any

from infra.settings import Settings


def daemon_settings(settings: Settings) -> dict[str, Any]:
    """Return the content of `/etc/docker/daemon.json`.

    It limits the size of logs, and lets containers run on while the daemon restarts.
    """
    daemon: dict[str, Any] = {
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "3"},
    }
    if settings.registry_mirror:
        daemon["registry-mirrors"] = [settings.registry_mirror]
        if settings.registry_mirror.startswith("http://"):
            daemon["insecure-registries"] = [settings.registry_mirror.removeprefix("http://")]
    return daemon
