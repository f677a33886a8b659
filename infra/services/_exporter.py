"""Define what the exporters of the profile `monitoring` share: user, resources and health check."""

from __future__ import annotations

from infra.services._model import Health, Resources, serves

PROFILE = "monitoring"
USER = "65534:65534"


def resources(measured: str) -> Resources:
    """Return the resources of one exporter.

    Args:
        measured: how the memory of the exporter was measured.
    """
    return Resources(
        memory_mb=16, memory_limit_mb=64, cpu=0.05, cpu_limit=0.25, image_mb=160, processes=128, measured=measured
    )


def health(port: int, path: str) -> Health:
    """Return the health check of an exporter that serves `path` at `port`."""
    return Health(serves(port, path), interval_s=10)
