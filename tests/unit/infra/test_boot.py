"""Test the user data of a new server, its boot script, and the permissions of the local files with SSH keys."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from infra.hosts import container_metrics
from infra.hosts.hetzner.boot import user_data
from infra.settings import Settings
from stack_runtime.errors import UnreachableError
from stack_runtime.remote import HOST_COMMAND, keys, restrict_keys, write_access


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


def test_user_data_is_under_32_kib_and_does_not_contain_the_private_login_key() -> None:
    _, text, login = _document()
    assert len(text.encode()) < 32 * 1024
    assert login not in text


def test_user_data_disables_password_and_root_logins_and_configures_docker_and_volume() -> None:
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


def test_user_data_contains_the_executable_program_that_measures_containers() -> None:
    document, _, _ = _document()
    modes = {entry["path"]: entry["permissions"] for entry in document["write_files"]}
    assert {path for path, mode in modes.items() if mode == "0755"} == {HOST_COMMAND, str(container_metrics.PROGRAM)}
    (text,) = (one["content"] for one in document["write_files"] if one["path"] == str(container_metrics.PROGRAM))
    compile(text, "program", "exec")
    assert text.startswith("#!/usr/bin/python3\n")


def test_script_fds_host_is_valid_shell() -> None:
    script = files("infra.hosts.hetzner").joinpath("fds-host.sh").read_text()
    assert subprocess.run(["sh", "-n"], input=script.encode()).returncode == 0


def _install(tmp_path: Path, failures: int, update: str = "false", client: str = "docker.io") -> tuple[int, list[str]]:
    """Install packages with doubles of apt and dpkg; return the exit code and the apt commands that were run.

    Args:
        failures: number of apt commands that fail before apt works, to simulate an unavailable mirror.
        update: `true` makes every `apt-get update` succeed, so that only installations fail.
        client: the package that contains the command `docker`.
    """
    document, _, _ = _document()
    script = next(entry["content"] for entry in document["write_files"] if entry["path"].endswith("fds-host"))
    functions = script.partition('case "${1-}"')[0].replace("pause=20", "pause=0")
    (tmp_path / "left").write_text(str(failures))
    programs = {
        "apt-get": f'echo "$@" >> calls; case "$*" in *update) ! {update} || exit 0;; esac\n'
        'left=$(cat left); [ "$left" = 0 ] || { echo $((left - 1)) > left; exit 100; }\n'
        'case "$*" in *install*) touch installed;; esac\n'
        f'case "$*" in *{client}*) cp apt-get docker;; esac',
        "dpkg": '[ "$*" = "--configure -a" ]',
        "dpkg-query": "[ -e installed ] || exit 1; shift 3; for name; do echo 'ii '; done",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("sh", "seq", "grep", "wc", "cat", "touch", "cp", "sleep"):  # not the `docker` of this machine
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    command = ["/bin/sh", "-c", f"{functions}\ninstall_packages"]
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": str(tmp_path)})
    return done.returncode, (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []


def test_packages_are_installed_by_fds_host_and_not_by_cloud_init() -> None:
    document, _, _ = _document()
    assert "packages" not in document, "cloud-init would try the installation only once"
    assert document["runcmd"] == [["/usr/local/sbin/fds-host", "boot"]]


def test_boot_repeats_the_update_of_the_package_lists_until_the_mirror_answers(tmp_path: Path) -> None:
    code, calls = _install(tmp_path, failures=3)
    assert code == 0
    assert [call.split()[-1] for call in calls[:3]] == ["update"] * 3
    assert calls[-1].endswith("install docker.io sudo unattended-upgrades zram-tools")
    assert all("--force-confold" in call for call in calls), "an existing configuration file must not be replaced"


def test_boot_installs_the_docker_command_if_it_is_a_separate_package(tmp_path: Path) -> None:
    code, calls = _install(tmp_path, failures=0, client="docker-cli")
    assert (code, [call.split()[-1] for call in calls]) == (0, ["update", "zram-tools", "docker-cli"])


def test_boot_repeats_update_and_installation_if_only_the_installation_fails(tmp_path: Path) -> None:
    code, calls = _install(tmp_path, failures=1, update="true")
    assert (code, [call.split()[-1] for call in calls]) == (0, ["update", "zram-tools", "update", "zram-tools"])


def test_boot_fails_if_the_mirror_stays_unavailable(tmp_path: Path) -> None:
    code, calls = _install(tmp_path, failures=10**6)
    assert code == 1
    assert len(calls) == 12


def test_boot_does_not_reinstall_installed_packages(tmp_path: Path) -> None:
    (tmp_path / "installed").touch()
    (tmp_path / "docker").touch(mode=0o755)
    assert _install(tmp_path, failures=10**6) == (0, [])


def test_key_files_that_others_can_read_are_restricted(tmp_path: Path) -> None:
    access = write_access(tmp_path / "keys", "192.0.2.1", _secrets())
    access.key_file.chmod(0o644)
    access.folder.chmod(0o755)
    assert b"UNPROTECTED" in _used_by_ssh(access.key_file).stderr
    restrict_keys(access.folder)
    assert _used_by_ssh(access.key_file).returncode == 0
    assert access.folder.stat().st_mode & 0o777 == 0o700


def test_key_file_that_cannot_be_restricted_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = write_access(tmp_path / "keys", "192.0.2.1", _secrets())
    access.key_file.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # simulates a file system that ignores chmod
    with pytest.raises(UnreachableError, match=r"ssh refuses it.*move the project") as raised:
        restrict_keys(access.folder)
    assert raised.value.exit_code == 5


def _used_by_ssh(key: Path) -> subprocess.CompletedProcess[bytes]:
    """Let `ssh-keygen` read a private key, and return the result. Like `ssh`, it checks the permissions of the key."""
    return subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, stdin=subprocess.DEVNULL)


def _secrets() -> dict[str, str]:
    return {name: keys.generate() for name in ("ssh_key", "ssh_host_key", "ssh_boot_key")}


def test_private_key_is_accessible_only_to_its_owner_and_the_host_key_is_checked(tmp_path: Path) -> None:
    access = write_access(tmp_path / "keys", "192.0.2.1", _secrets())
    assert access.key_file.stat().st_mode & 0o077 == 0
    assert (access.folder / "known_hosts").read_text().startswith("192.0.2.1 ssh-ed25519 ")
    assert "StrictHostKeyChecking=yes" in access.ssh_options()
