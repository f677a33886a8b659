"""The program that measures the containers of a server, and whether a stack needs it."""

from __future__ import annotations

from importlib.resources import files

from infra.services import node_exporter, selected
from infra.settings import Settings


def is_wanted(settings: Settings) -> bool:
    """Return whether the stack has a node exporter, which reads the measurements."""
    return any(service.name == node_exporter.SERVICE.name for service in selected(settings))


def program() -> str:
    """Return the text of the program `fds-container-metrics`."""
    return files("infra.hosts").joinpath("container_metrics.py").read_text(encoding="utf-8")
