"""One Hetzner Cloud server: key, firewall, private network, server, data volume, DNS, and Docker on it over SSH."""

from infra.hosts.hetzner.server import host

__all__ = ["host"]
