"""Metrics of the server: processor, memory and disks, and the pipeline's metrics file.

It sees no files of the server. The kernel shows the memory and the processors of the whole server in every container,
and the size of a disk through any mount on it: the system's disk through `/etc/hostname`, which Docker mounts from
there, and the disk with the volumes through the volume with the pipeline's file.
"""

from __future__ import annotations

from infra.services._model import Health, Metrics, Resources, Service, Volume, serves

PORT = 9100
FOLDER = "/metrics"
SYSTEM_DISK = "/etc/hostname"
"""A mount from the disk with Docker's files."""

SERVICE = Service(
    name="node-exporter",
    image="prom/node-exporter:v1.11.1",
    profile="monitoring",
    user="65534:65534",
    command=(
        "--collector.disable-defaults",
        "--collector.cpu",
        "--collector.filesystem",
        "--collector.loadavg",
        "--collector.meminfo",
        "--collector.textfile",
        f"--collector.textfile.directory={FOLDER}",
        f"--web.listen-address=:{PORT}",
    ),
    volumes=(Volume("metrics", FOLDER, read_only=True, data=False),),
    needs=("pipeline",),  # a new volume takes its owner from the pipeline's image
    metrics=Metrics(PORT),
    resources=Resources(
        memory_mb=16,
        memory_limit_mb=64,
        cpu=0.05,
        cpu_limit=0.25,
        image_mb=160,
        processes=128,
        measured="7 MiB at rest",
    ),
    health=Health(serves(PORT, "/metrics"), interval_s=10),
)
