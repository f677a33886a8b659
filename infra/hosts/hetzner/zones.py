"""Find the network zone of a location, which the subnet of a server there must have."""

from __future__ import annotations

from infra.hosts.hetzner.api import endpoint, request
from stack_runtime.errors import UnknownError

ZONES = {"fsn1": "eu-central", "nbg1": "eu-central", "hel1": "eu-central", "ash": "us-east", "hil": "us-west",
         "sin": "ap-southeast"}  # fmt: skip
"""Network zone of each location, from Hetzner's documentation of networks."""


def network_zone(stack: str, location: str) -> str:
    """Return the network zone of a location; the API is asked about a location that is not in `ZONES`.

    Raises:
        UnknownError: the API does not state the zone.
        UnreachableError: there is no token for the stack, or the API does not answer.
    """
    if location in ZONES:
        return ZONES[location]
    found = request(stack, lambda api: api.locations.get_by_name(location), reads=True)
    zone = found.network_zone if found else None
    if not zone or not isinstance(zone, str):
        raise UnknownError(
            f"the network zone of location {location} is unknown, so nothing is ordered there",
            where=endpoint(),
            next_command=f"fds scale location=fsn1 --stack {stack} --apply",
        )
    return zone
