"""Register the server, and the account resources that it needs, as Pulumi resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_hcloud as hcloud

from infra.cost.planning.model import Server
from infra.hosts import measuring
from infra.hosts.base import DockerTarget, TargetInputs
from infra.hosts.hetzner.account import IDENTITY, record
from infra.hosts.hetzner.boot import user_data
from infra.hosts.hetzner.wanted import rules, ssh_rule
from infra.hosts.hetzner.zones import network_zone
from infra.settings import Settings
from stack_runtime.errors import StackError
from stack_runtime.paths import PROJECT
from stack_runtime.remote import DEPLOY_USER, Access, write_access
from stack_runtime.remote.keys import public_half
from stack_runtime.remote.ready import wait_until_ready
from stack_runtime.text import Say

UNLIKE = {"server": ["keepDisk", "serverType"], "volume": ["size"], "record": ["records", "ttl"]}
"""Inputs that are ignored during an adoption, by kind of resource, because the existing resource may have other values.
The deployment after the adoption sets the wanted values."""


def target(inputs: TargetInputs, planned: Server, folder: Path) -> DockerTarget:
    """Register the server, and return its Docker daemon, which is reached over SSH once the server is ready.

    Args:
        inputs: its `secrets` have `ssh_key`, `ssh_host_key` and `ssh_boot_key`, private keys in OpenSSH's PEM form.
        planned: the type and location that the plan chose for the server.
        folder: folder for the key files of `ssh`, readable only by the owner.

    Raises:
        UnknownError: the network zone of the location is unknown.
        UnreachableError: the zone is looked up in the account, and there is no token, or the API does not answer.
    """
    settings, secrets, options = inputs.settings, inputs.secrets, inputs.options
    zone = network_zone(settings.stack, planned.location)  # before anything is registered, because it may be unknown
    made = _ServerResources(settings, inputs.adopt, options, inputs.identity)
    volume = made.volume(planned.location)
    server = made.server(planned, secrets, volume)
    made.private_network(server, zone)
    attachment = made.attachment(server, volume)
    # Use the size of the volume as an input, so that `_ready` runs again when the volume grows: the file system of the
    # volume must grow too.
    known = pulumi.Output.all(server.ipv4_address, secrets, attachment.id, volume.size)
    wait = partial(wait_until_ready, hint=ssh_rule(settings), measure=measuring.is_wanted(settings))
    # Mark the result as not secret, although its inputs are secret: it has only an address and file paths.
    access: pulumi.Output[Access] = pulumi.Output.unsecret(
        known.apply(lambda v: _ready(v[0], v[1], folder, wait if inputs.wait else None))
    )
    made.dns(server.ipv4_address)
    provider = docker.Provider(
        f"{settings.stack}-docker",
        host=access.apply(lambda known: f"ssh://{DEPLOY_USER}@{known.address}:22"),
        ssh_opts=access.apply(lambda known: known.ssh_options()),
        context="",  # otherwise the variables DOCKER_CONTEXT and DOCKER_CERT_PATH would override `host`
        cert_path="",
        opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(deleted_with=server)),
    )
    return DockerTarget(provider, gone_with=server, address=server.ipv4_address)


async def _ready(
    address: str, secrets: Mapping[str, str], folder: Path, wait: Callable[[Access, Say], None] | None
) -> Access:
    try:
        access = write_access(folder, address, secrets)
        if wait and not pulumi.runtime.is_dry_run():
            await asyncio.to_thread(wait, access, pulumi.log.info)
    except StackError as error:
        raise pulumi.RunError(str(error)) from error  # Pulumi shows a RunError without a traceback
    return access


class _ServerResources:
    """The stack's resources in the account; resources that an interrupted deployment created are adopted."""

    def __init__(
        self, settings: Settings, adopt: Mapping[str, str], options: pulumi.ResourceOptions, identity: str
    ) -> None:
        self._settings = settings
        self._adopt = adopt
        self._stack = settings.stack
        self._name = f"{PROJECT}-{settings.stack}"
        self._labels = {"project": PROJECT, "stack": settings.stack, "managed-by": "fds"}
        self._labels |= {IDENTITY: identity} if identity else {}
        # Pass the token as an argument, because an explicit provider does not read the stack file.
        self._provider = hcloud.Provider(
            f"{settings.stack}-hcloud", token=pulumi.Config("hcloud").get_secret("token"), opts=options
        )
        self._options = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(provider=self._provider))

    def _with(self, kind: str, more: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
        adopted = pulumi.ResourceOptions(import_=self._adopt.get(kind))
        if kind in self._adopt:
            adopted.ignore_changes = UNLIKE.get(kind.split()[0])
        return pulumi.ResourceOptions.merge(pulumi.ResourceOptions.merge(self._options, adopted), more)

    def volume(self, location: str) -> hcloud.Volume:
        """Register the data volume, which outlives the server and the stack."""
        return hcloud.Volume(
            f"{self._stack}-data",
            name=f"{self._name}-data",
            size=self._settings.volume_gb,
            location=location,
            format="ext4",
            delete_protection=True,
            labels=self._labels,
            opts=self._with("volume", pulumi.ResourceOptions(retain_on_delete=True, ignore_changes=["format"])),
        )

    def server(
        self, planned: Server, secrets: pulumi.Output[Mapping[str, str]], volume: hcloud.Volume
    ) -> hcloud.Server:
        """Register the server with its SSH key and firewall.

        A change of the user data, the keys or the image never replaces the server.
        """
        public = secrets.apply(lambda found: public_half(found["ssh_key"]))
        key = hcloud.SshKey(
            f"{self._stack}-deploy",
            name=f"{self._name}-deploy",
            public_key=public,
            labels=self._labels,
            opts=self._with("ssh_key"),
        )
        kept = pulumi.ResourceOptions(
            protect=True, ignore_changes=["userData", "sshKeys", "image"], additional_secret_outputs=["userData"]
        )
        return hcloud.Server(
            f"{self._stack}-server",
            name=self._name,
            server_type=planned.type,
            location=planned.location,
            image=self._settings.server_image,
            backups=self._settings.backups,
            delete_protection=True,
            rebuild_protection=True,
            keep_disk=True,
            firewall_ids=[self._firewall().id.apply(int)],
            ssh_keys=[key.name],
            user_data=pulumi.Output.all(secrets, volume.id).apply(lambda found: self._user_data(found[0], found[1])),
            labels=self._labels,
            opts=self._with("server", kept),
        )

    def _user_data(self, secrets: Mapping[str, str], volume_id: str) -> str:
        return user_data(
            self._settings,
            deploy_key=public_half(secrets["ssh_key"]),
            boot_key=secrets["ssh_boot_key"],
            boot_key_public=public_half(secrets["ssh_boot_key"]),
            volume_id=volume_id,
        )

    def _firewall(self) -> hcloud.Firewall:
        return hcloud.Firewall(
            f"{self._stack}-firewall",
            name=self._name,
            rules=[
                hcloud.FirewallRuleArgs(
                    direction=rule["direction"],
                    protocol=rule["protocol"],
                    port=rule["port"],
                    source_ips=rule["sourceIps"],
                )
                for rule in rules(self._settings)
            ],
            labels=self._labels,
            opts=self._with("firewall"),
        )

    def private_network(self, server: hcloud.Server, zone: str) -> None:
        """Register a private network with one subnet in the network zone of the server, and attach the server."""
        network = hcloud.Network(
            f"{self._stack}-network",
            name=self._name,
            ip_range="10.80.0.0/16",
            labels=self._labels,
            opts=self._with("network"),
        )
        subnet = hcloud.NetworkSubnet(
            f"{self._stack}-subnet",
            network_id=network.id.apply(int),
            type="cloud",
            network_zone=zone,
            ip_range="10.80.1.0/24",
            opts=self._with("subnet"),
        )
        hcloud.ServerNetwork(
            f"{self._stack}-private-address",
            server_id=server.id.apply(int),
            network_id=network.id.apply(int),  # not the subnet's id, which is unknown after an adoption
            opts=self._with("server_network", pulumi.ResourceOptions(deleted_with=server, depends_on=[subnet])),
        )

    def attachment(self, server: hcloud.Server, volume: hcloud.Volume) -> hcloud.VolumeAttachment:
        """Attach the data volume to the server, which mounts it by the volume's id."""
        return hcloud.VolumeAttachment(
            f"{self._stack}-data-attachment",
            server_id=server.id.apply(int),
            volume_id=volume.id.apply(int),
            automount=False,
            # The provider does not read this input back, so an adoption would find a difference.
            opts=self._with("volume_attachment", pulumi.ResourceOptions(ignore_changes=["automount"])),
        )

    def dns(self, address: pulumi.Output[str]) -> None:
        """Register records for the domain and all its subdomains, if the setting `dnsZone` names a zone."""
        zone = self._settings.dns_zone
        if not zone:
            return
        below = self._settings.domain.removesuffix(zone).rstrip(".")
        for label in (below or "@", f"*.{below}" if below else "*"):
            hcloud.ZoneRrset(
                f"{self._stack}-record-{label}",
                zone=zone,
                name=label,
                type="A",
                ttl=300,
                records=[hcloud.ZoneRrsetRecordArgs(value=address)],
                labels=self._labels,
                opts=self._with(f"record {record(zone, label)}"),
            )
