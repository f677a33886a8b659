"""Find free ports for tests, so that a stack on the default ports can run at the same time."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of `127.0.0.1` that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports() -> dict[str, int]:
    """Return the settings with which a stack uses free ports."""
    return {"httpPort": free_port(), "httpsPort": free_port()}
