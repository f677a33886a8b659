"""Rent a Hetzner Cloud server with key, firewall, private network, data volume and DNS records, and use its Docker over
SSH.

The modules here need the cloud's packages, which take a second to import. A stack on this machine does not need them,
so only code that handles a server imports these modules.
"""
