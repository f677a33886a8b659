"""A test double that plays Hetzner Cloud on this machine: its API, and its servers as containers.

    with HetznerAPI() as api:
        client = hcloud.Client(token=api.token, api_endpoint=api.endpoint)

It rejects what the real one rejects. What it does not play is said in `README.md` beside this file.
"""

from .api import HetznerAPI
from .http import Entry

__all__ = ["Entry", "HetznerAPI"]
