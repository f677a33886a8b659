"""A Pulumi program with resources of eleven types of the hcloud provider, for tests of its stand-in."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_hcloud

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJWfG1bNpkzYwEIFhIkGjxEsqmPAJ8aW5Q2VYk7ueGjQ me@example"
"""Public SSH key of the resource `SshKey`."""


def number(resource: pulumi.CustomResource) -> pulumi.Output[int]:
    return resource.id.apply(int)


class Account:
    """A program with one resource of each of eleven types; tests can change server and volume between updates."""

    def __init__(self) -> None:
        self.server: dict[str, Any] = {"server_type": "cx23"}
        self.size = 10
        self.options = pulumi.ResourceOptions(ignore_changes=["userData", "sshKeys"])

    def __call__(self) -> None:
        provider = pulumi_hcloud.Provider("cloud", poll_interval="20ms")
        own = pulumi.ResourceOptions(provider=provider)
        key = pulumi_hcloud.SshKey("key", public_key=KEY, labels={"a": "b"}, opts=own)
        rule = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["10.0.0.0/8", "::/0"]}
        firewall = pulumi_hcloud.Firewall("firewall", rules=[rule], opts=own)
        network = pulumi_hcloud.Network("network", ip_range="10.0.0.0/16", opts=own)
        subnet = pulumi_hcloud.NetworkSubnet(
            "subnet",
            network_id=number(network),
            type="cloud",
            network_zone="eu-central",
            ip_range="10.0.1.0/24",
            opts=own,
        )
        server = pulumi_hcloud.Server(
            "server",
            image="debian-12",
            location="fsn1",
            ssh_keys=[key.id],
            user_data=pulumi.Output.secret("#cloud-config\n# hidden\n"),
            firewall_ids=[number(firewall)],
            networks=[{"network_id": number(network)}],
            labels={"role": "host"},
            backups=True,
            **self.server,
            opts=pulumi.ResourceOptions.merge(
                self.options, pulumi.ResourceOptions(provider=provider, depends_on=[subnet])
            ),
        )
        volume = pulumi_hcloud.Volume("volume", size=self.size, location="fsn1", format="ext4", opts=own)
        pulumi_hcloud.VolumeAttachment("attachment", volume_id=number(volume), server_id=number(server), opts=own)
        pulumi_hcloud.PrimaryIp("address", type="ipv4", location="fsn1", opts=own)
        zone = pulumi_hcloud.Zone("zone", name="example.com", mode="primary", opts=own)
        record = {"value": server.ipv4_address}
        pulumi_hcloud.ZoneRrset("www", zone=zone.name, name="www", type="A", ttl=300, records=[record], opts=own)
        pulumi_hcloud.Rdns(
            "rdns", server_id=number(server), ip_address=server.ipv4_address, dns_ptr="www.example.com", opts=own
        )
        pulumi.export("server", server.id)
        pulumi.export("volume", volume.id)
