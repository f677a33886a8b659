"""A test double that simulates Hetzner Cloud locally: its API, and its servers as containers.

    with HetznerAPI() as api:
        client = hcloud.Client(token=api.token, api_endpoint=api.endpoint)

It rejects what the real API rejects. `README.md` in this folder lists what it does not simulate.
"""

from .api import HetznerAPI
from .http import Entry

__all__ = ["Entry", "HetznerAPI"]
