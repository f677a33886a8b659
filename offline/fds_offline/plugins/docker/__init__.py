"""Offline stand-in for the official `docker` resource provider, on the docker SDK.

It is only for machines where the official plugin cannot be downloaded. Names, defaults and behaviour follow the
official provider 5.x (which bridges the Terraform provider kreuzwerker/docker): Provider, Network, Volume, RemoteImage
and Container. Everything else is refused with a message.
"""
