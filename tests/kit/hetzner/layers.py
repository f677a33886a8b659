"""Layers of images that an earlier server built, on the disk of a new one, so that tests build no image twice.

A rented server finds none. Everything else of the earlier one (containers, networks, volumes) is gone, as it must be.
"""

from __future__ import annotations

import docker
from docker.types import Mount

FOLDER = "/var/lib/docker"
_SCRUB = f"""
cd {FOLDER}
for entry in *; do case "$entry" in image | overlay2) ;; *) rm -rf "$entry" ;; esac; done
for container in image/overlay2/layerdb/mounts/*; do
    [ -d "$container" ] || continue
    for part in mount-id init-id; do rm -rf "overlay2/$(cat "$container/$part")"; done
    rm -rf "$container"
done
"""


def disk(client: docker.DockerClient, image: str, name: str) -> Mount:
    """Where a new server keeps what its Docker holds.

    Args:
        image: of the server.
        name: of the volume that keeps layers from server to server; an empty one, or one that another server has
            now, means a disk that is empty.
    """
    if not name or client.containers.list(all=True, filters={"volume": name}):
        return Mount(FOLDER, None)
    mount = Mount(FOLDER, name)
    client.containers.run(image, ["sh", "-euc", _SCRUB], remove=True, mounts=[mount], network_disabled=True)
    return mount
