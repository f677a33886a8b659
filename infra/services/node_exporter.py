"""Metrics of the server: processor, memory and disks, and the metrics files of the pipeline and of the containers.

It sees no files of the server. The kernel shows the memory and the processors of the whole server in every container,
and the size of a disk through any mount on it: the system's disk through `/etc/hostname`, which Docker mounts from
there, and the disk with the volumes through the volume with the pipeline's file.

A timer of the server writes the file of the containers (`infra.hosts.container_metrics`).
"""

from __future__ import annotations

from infra.services import _exporter
from infra.services._model import Metrics, Service, Volume

PORT = 9100
FOLDER = "/metrics"
CONTAINERS_VOLUME, CONTAINERS_FILE = "container-metrics", "containers.prom"
"""Where the server's timer writes; `infra.hosts.container_metrics` has the same names."""
CONTAINERS_FOLDER = f"{FOLDER}-containers"
SYSTEM_DISK = "/etc/hostname"
"""A mount from the disk with Docker's files."""

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
        f"--collector.textfile.directory={FOLDER}*",  # both folders
        f"--web.listen-address=:{PORT}",
    ),
    volumes=(
        Volume("metrics", FOLDER, read_only=True, data=False),
        Volume(CONTAINERS_VOLUME, CONTAINERS_FOLDER, read_only=True, data=False),
    ),
    needs=("pipeline",),  # a new volume gets its owner from the pipeline's image
    metrics=Metrics(PORT),
    resources=_exporter.resources("7 MiB at rest"),
    health=_exporter.health(PORT, "/metrics"),
)
