"""Provide a test double that simulates Hetzner Cloud on this machine: the API, and servers as containers.

    with HetznerAPI() as api:
        client = hcloud.Client(token=api.token, api_endpoint=api.endpoint)

Like the real API, the double rejects invalid requests. `README.md` in this folder lists what is not simulated.
"""

from .api import HetznerAPI
from .http import Entry

__all__ = ["Entry", "HetznerAPI"]
