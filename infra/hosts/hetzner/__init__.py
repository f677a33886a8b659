"""Rent a Hetzner Cloud server with SSH key, firewall, private network, data volume and DNS records, and use its Docker
over SSH.

Some modules here import the Python packages for Hetzner Cloud, which takes a second. A stack on this machine does not
need these packages, so `infra.hosts.hetzner.host` imports such modules only inside its methods.
"""
