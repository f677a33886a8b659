"""Provide the offline stand-in for the official `hcloud` resource provider; it uses the hcloud SDK for Python.

It is only for machines that cannot download the official plugin. It implements the resources that a stack on Hetzner
uses, with the names, defaults and behaviour of the official provider 1.43, which bridges the Terraform provider
hetznercloud/hcloud. It refuses all other resources with a message.
"""
