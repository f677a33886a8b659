"""Define the exporter for the server's CPU, memory and disks, and for the metrics files of the pipeline and of the
containers.

The exporter cannot read the server's files, but it does not need them. In every container, the kernel shows memory and
CPU of the whole server. The size of a disk is visible at any mount from it, so two mounts are enough: `/etc/hostname`,
which Docker mounts from the system disk, and the volume with the pipeline's metrics file, which is on the disk with
Docker's volumes.

A systemd timer on the server writes the containers' metrics file (`infra.hosts.container_metrics`).
"""

from __future__ import annotations

from infra.services import _exporter
from infra.services._model import Metrics, Service, Volume

PORT = 9100
FOLDER = "/metrics"
CONTAINERS_VOLUME, CONTAINERS_FILE = "container-metrics", "containers.prom"
"""A volume, and the file in it that the server's timer writes; `infra.hosts.container_metrics` has the same names."""
CONTAINERS_FOLDER = f"{FOLDER}-containers"
SYSTEM_DISK = "/etc/hostname"
"""A mount from the system disk; the disk's size and free space are read there."""

SERVICE = Service(
    name="node-exporter",
    image="prom/node-exporter:v1.11.1",
    profile=_exporter.PROFILE,
    user=_exporter.USER,
    command=(
        "--collector.disable-defaults",
        "--collector.cpu",
        "--collector.filesystem",
        "--collector.loadavg",
        "--collector.meminfo",
        "--collector.textfile",
        f"--collector.textfile.directory={FOLDER}*",  # matches FOLDER and CONTAINERS_FOLDER
        f"--web.listen-address=:{PORT}",
    ),
    volumes=(
        Volume("metrics", FOLDER, read_only=True, data=False),
        Volume(CONTAINERS_VOLUME, CONTAINERS_FOLDER, read_only=True, data=False),
    ),
    needs=("pipeline",),  # start after the pipeline, whose image sets the owner of a new volume
    metrics=Metrics(PORT),
    resources=_exporter.resources("7 MiB at rest"),
    health=_exporter.health(PORT, "/metrics"),
)
