"""Offline stand-in for the official `hcloud` resource provider, on the hcloud SDK.

It is only for machines where the official plugin cannot be downloaded. Names, defaults and behaviour follow the
official provider 1.43 (which bridges the Terraform provider hetznercloud/hcloud) for what the Hetzner host uses.
Everything else is refused with a message.
"""
