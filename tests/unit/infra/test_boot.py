"""Test the user data of a new server: what it contains, and that it contains no long-lived secret."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

from infra.hosts.hetzner.boot import user_data
from infra.settings import Settings
from stack_runtime.remote import keys, write_access


def _document(**values: Any) -> tuple[dict[str, Any], str, str]:
    login, boot = keys.generate(), keys.generate()
    text = user_data(
        Settings.of("prod", {"host": "hetzner", **values}),
        deploy_key=keys.public_half(login),
        boot_key=boot,
        boot_key_public=keys.public_half(boot),
        volume_id="42",
    )
    head, _, body = text.partition("\n")
    assert head == "#cloud-config"
    return json.loads(body), text, login


def test_user_data_is_under_32_kib_and_has_no_deploy_key() -> None:
    _, text, login = _document()
    assert len(text.encode()) < 32 * 1024
    assert login not in text


def test_password_and_root_logins_are_disabled() -> None:
    document, _, _ = _document()
    files = {entry["path"]: entry["content"] for entry in document["write_files"]}
    assert document["ssh_pwauth"] is False
    assert "PermitRootLogin no" in files["/etc/ssh/sshd_config.d/10-fds.conf"]
    assert "MaxStartups 100:30:200" in files["/etc/ssh/sshd_config.d/10-fds.conf"]
    assert json.loads(files["/etc/docker/daemon.json"])["live-restore"] is True
    assert "scsi-0HC_Volume_42" in files["/usr/local/sbin/fds-host"]


def test_registry_mirror_is_in_the_docker_configuration() -> None:
    document, _, _ = _document(registryMirror="http://10.0.0.1:5000")
    files = {entry["path"]: entry["content"] for entry in document["write_files"]}
    assert json.loads(files["/etc/docker/daemon.json"])["registry-mirrors"] == ["http://10.0.0.1:5000"]


def test_host_script_is_valid_shell() -> None:
    script = files("infra.hosts.hetzner").joinpath("fds-host.sh").read_text()
    assert subprocess.run(["sh", "-n"], input=script.encode()).returncode == 0


def test_access_files_are_readable_only_by_their_owner(tmp_path: Path) -> None:
    secrets = {name: keys.generate() for name in ("ssh_key", "ssh_host_key", "ssh_boot_key")}
    access = write_access(tmp_path / "keys", "192.0.2.1", secrets)
    assert access.key_file.stat().st_mode & 0o077 == 0
    assert (access.folder / "known_hosts").read_text().startswith("192.0.2.1 ssh-ed25519 ")
    assert "StrictHostKeyChecking=yes" in access.ssh_options()
