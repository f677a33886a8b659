"""Write the server's cloud-init user data for its first boot.

User data stays readable on the server, so its only secret is a host key for the first connection. The first
deployment replaces that key by the permanent host key (`stack_runtime.remote.ready`); then the first key is useless.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from infra.hosts import container_metrics, measuring
from infra.hosts.daemon import daemon_settings
from infra.settings import Settings
from stack_runtime.remote import DEPLOY_USER, HOST_COMMAND

SSHD = """PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers deploy
MaxStartups 100:30:200
MaxSessions 100
"""

UPGRADES = 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'

ZRAM = "ALGO=zstd\nPERCENT=50\n"

PACKAGES = "docker.io sudo unattended-upgrades zram-tools"
"""Packages that `fds-host boot` installs. cloud-init does not install them, because it does not retry a failure."""

DROP_IN = f"[Service]\nExecStartPre={HOST_COMMAND} mount\nExecStartPost={HOST_COMMAND} guard\n"
"""systemd drop-in for Docker: before Docker starts, its folder of volumes is mounted from the data volume; after Docker
has started, containers are blocked from the provider's metadata service."""


def user_data(settings: Settings, *, deploy_key: str, boot_key: str, boot_key_public: str, volume_id: str) -> str:
    """Return the cloud-config document for a new server.

    Args:
        deploy_key: public key that may log in as the deploy user.
        boot_key: private host key for the first connection only, in OpenSSH's PEM form.
        boot_key_public: the public half of `boot_key`.
        volume_id: id of the data volume.
    """
    document: dict[str, Any] = {
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": boot_key, "ed25519_public": boot_key_public},
        "groups": ["docker"],
        "users": [
            {
                "name": DEPLOY_USER,
                "groups": ["docker"],
                "shell": "/bin/bash",
                "lock_passwd": True,
                "ssh_authorized_keys": [deploy_key],
                "sudo": [f"ALL=(root) NOPASSWD: {HOST_COMMAND}"],
            }
        ],
        "write_files": _files(settings, volume_id),
        "runcmd": [[HOST_COMMAND, "boot"]],
    }
    return "#cloud-config\n" + json.dumps(document, indent=1)


def _files(settings: Settings, volume_id: str) -> list[dict[str, str]]:
    script = files("infra.hosts.hetzner").joinpath("fds-host.sh").read_text(encoding="utf-8")
    contents = {
        HOST_COMMAND: script.replace("@VOLUME_ID@", volume_id).replace("@PACKAGES@", PACKAGES),
        str(container_metrics.PROGRAM): measuring.program(),
        "/etc/ssh/sshd_config.d/10-fds.conf": SSHD,
        "/etc/docker/daemon.json": json.dumps(daemon_settings(settings), indent=1),
        "/etc/systemd/system/docker.service.d/10-fds.conf": DROP_IN,
        "/etc/apt/apt.conf.d/20auto-upgrades": UPGRADES,
        "/etc/default/zramswap": ZRAM,
    }
    return [
        {"path": path, "content": content, "permissions": "0755" if content.startswith("#!") else "0644"}
        for path, content in contents.items()
    ]
