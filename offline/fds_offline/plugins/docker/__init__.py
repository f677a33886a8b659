"""Offline stand-in for the official `docker` resource provider, on the docker SDK.

Only for machines where the official plugin cannot be downloaded. Names, defaults and behaviour follow the official
provider 5.x (which bridges the Terraform provider kreuzwerker/docker): Provider, Network, Volume, RemoteImage and
Container; everything else is refused with a sentence.
"""
