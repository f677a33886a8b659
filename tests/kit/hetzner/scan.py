"""Scan which TCP ports of an address accept a connection."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack

AT_ONCE = 10_000
PATIENCE_S = 1.0
"""Seconds to wait for the answers of a batch of ports; a port whose packets the firewall drops never answers."""


def open_ports(address: str, ports: Iterable[int] = range(1, 65_536)) -> set[int]:
    """Return the ports that accept a connection; scanning all ports takes about 10 s if a firewall drops packets."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    size = min(AT_ONCE, files // 2)
    listed = list(ports)
    return {
        port for start in range(0, len(listed), size) for port in _scan_batch(address, listed[start : start + size])
    }


def _scan_batch(address: str, ports: list[int]) -> set[int]:
    """Return the open ports of one batch; the time limit begins when all connections have been started."""
    found: set[int] = set()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        probes = {port: stack.enter_context(socket.socket()) for port in ports}
        for port, probe in probes.items():
            probe.setblocking(False)
            probe.connect_ex((address, port))
            selector.register(probe, selectors.EVENT_WRITE, port)
        deadline = time.monotonic() + PATIENCE_S
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            for key, _ in ready:
                selector.unregister(key.fileobj)
                if probes[key.data].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(key.data)
    return found
