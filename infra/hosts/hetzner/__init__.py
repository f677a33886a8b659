"""One Hetzner Cloud server: key, firewall, private network, server, data volume, DNS, and Docker on the server over
SSH.

The modules here need the cloud's packages, which take a second to import. A stack on this machine does not need them,
so they are imported only by code that handles a server.
"""
