"""Provide the offline stand-in for the official `docker` resource provider; it uses the Docker SDK for Python.

It is only for machines that cannot download the official plugin. It implements Provider, Network, Volume, RemoteImage
and Container with the names, defaults and behaviour of the official provider 5.x, which bridges the Terraform provider
kreuzwerker/docker. It refuses all other resources with a message.
"""
