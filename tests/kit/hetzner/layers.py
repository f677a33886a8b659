"""Put the image layers of an earlier server on the disk of a new server, so that builds on it reuse them.

At Hetzner, the disk of a new server is empty. To simulate this, the containers, networks and volumes of the
earlier server are removed, and the images that a stack built on it are renamed, so that no stack finds them.
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
names=image/overlay2/repositories.json
[ ! -e $names ] || sed -i 's|"fds/|"fds-kit/|g' $names  # of two equal keys, Docker uses the last: the newer image
"""


def disk(client: docker.DockerClient, image: str, name: str) -> Mount:
    """Return the mount for Docker's data on a new server.

    If the mount is the volume `name`, everything but image layers is first removed from it.

    Args:
        image: image of the server.
        name: volume with the layers of earlier servers. The disk is empty if `name` is empty, or if another server
            uses the volume.
    """
    if not name or client.containers.list(all=True, filters={"volume": name}):
        return Mount(FOLDER, None)
    mount = Mount(FOLDER, name)
    client.containers.run(image, ["sh", "-euc", _SCRUB], remove=True, mounts=[mount], network_disabled=True)
    return mount
