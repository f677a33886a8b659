"""A scan from outside: which TCP ports of an address take a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

AT_ONCE = 2000
PATIENCE_S = 1.0
"""A port behind a firewall says nothing at all, so a silent one is given up after this long."""


def open_ports(address: str, ports: Iterable[int] = range(1, 65_536)) -> set[int]:
    """The ports that accept a connection. All of them take about half a minute where a firewall drops packets."""
    return asyncio.run(_scan(address, list(ports)))


async def _scan(address: str, ports: list[int]) -> set[int]:
    places = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_takes(address, port, places) for port in ports))
    return {port for port, taken in zip(ports, answers, strict=True) if taken}


async def _takes(address: str, port: int, places: asyncio.Semaphore) -> bool:
    async with places:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE_S)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True
