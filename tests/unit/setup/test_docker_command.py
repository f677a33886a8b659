"""Test that the command `docker` is installed too: since Debian 13, the package docker.io only recommends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import docker_access
from infra.prerequisites import docker as docker_module
from infra.prerequisites.docker import Docker
from stack_runtime import docker_host, paths
from stack_runtime.docker_endpoint import Endpoint
from stack_runtime.errors import UnreachableError

APT = """#!/bin/sh
echo "$@" >> calls
case "$*" in *"install {client}"|*"--no-install-recommends {client}") touch docker; chmod 755 docker;; esac
"""
"""Double of `apt-get` that writes down its arguments and creates `docker` when the package `client` is installed."""


def _doubles(folder: Path, client: str, *, needed: tuple[str, ...] = ()) -> Path:
    """Create a folder for PATH that has apt, whose package `client` contains `docker`, and the programs `needed`."""
    texts = {"apt-get": APT.format(client=client), "apt-cache": f'#!/bin/sh\n[ "$2" = {client} ]\n'}
    texts |= dict.fromkeys(("dpkg", "systemctl"), "#!/bin/sh\n") | {"id": "#!/bin/sh\necho 0\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for name in ("sh", "touch", "chmod", *needed):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def _installed(folder: Path) -> list[str]:
    """Return the package of each call of `apt-get install`."""
    calls = (folder / "calls").read_text().splitlines()
    return [call.split()[-1] for call in calls if "install" in call.split()]


CASES = [("docker.io", ["docker.io"]), ("docker-cli", ["docker.io", "docker-cli"])]


@pytest.mark.parametrize(("client", "packages"), CASES)
def test_setup_installs_the_package_of_the_docker_command(
    client: str, packages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(_doubles(tmp_path, client)))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(docker_module, "start", lambda: None)
    monkeypatch.setattr(Docker, "_wait", lambda _: None)
    Docker().get(lambda _: None)
    assert _installed(tmp_path) == packages


@pytest.mark.parametrize(("client", "packages"), CASES)
def test_preparation_of_an_own_server_installs_the_package_of_the_docker_command(
    client: str, packages: list[str], tmp_path: Path
) -> None:
    script = files("infra.hosts.ssh").joinpath("fds-server.sh").read_text()
    functions = script.partition("# This script keeps running")[0].replace("/etc/", f"{tmp_path}/etc/")
    path = _doubles(tmp_path, client, needed=("mkdir", "cat", "seq", "rm"))
    text = f"{functions}\nstate={tmp_path}\ninstall_docker '{{}}'"
    command = ["/bin/sh", "-c", text, "sh", "prepare", "key"]
    subprocess.run(command, cwd=tmp_path, env={"PATH": str(path)}, check=True, capture_output=True)
    assert _installed(tmp_path) == packages


def test_fds_exec_without_the_docker_command_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fds.exec import command

    monkeypatch.setattr(paths, "project_dir", lambda: tmp_path)
    monkeypatch.setattr(docker_access, "endpoint", lambda *_: contextlib.nullcontext(Endpoint("unix:///a.sock")))
    monkeypatch.setattr(docker_host, "connect", lambda _: None)
    monkeypatch.setattr(docker_host, "running", lambda *_: SimpleNamespace(id="1"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreachableError, match="the program docker is missing; next: install docker-cli") as raised:
        command("postgres", ["true"])
    assert raised.value.exit_code == 5
