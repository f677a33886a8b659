"""Provide the real Pulumi engine with an empty state, stand-ins for its plugins, and an image made on this machine."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from fds_offline.plugins import MODULES
from infra.engine.environment import search_path
from infra.prerequisites import launchers
from tests.kit.engine import Stack, inline_stack
from tests.kit.project import ROOT

TOOLS = ("sh", "sleep", "cat", "true", "false")
Stacks = Callable[..., Stack]


@pytest.fixture(scope="session")
def engine() -> Path:
    """Return the folder of the `pulumi` command."""
    found = shutil.which("pulumi", path=search_path(ROOT))
    assert found, "these tests need the engine; next: fds setup"
    return Path(found).parent


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the launchers of all stand-ins."""
    folder = tmp_path_factory.mktemp("stand-ins")
    launchers.install(folder, MODULES)
    return folder


@pytest.fixture
def surroundings(engine: Path, stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set and return the environment variables of a deployment whose state is in `tmp_path`."""
    (tmp_path / "state").mkdir()
    variables = {
        "PATH": os.pathsep.join([str(engine), os.environ["PATH"], str(stand_ins)]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    return variables


@pytest.fixture
def inline(surroundings: dict[str, str], tmp_path: Path) -> Stacks:
    """Return a function that creates a stack of an inline program; the stack is not destroyed afterwards."""
    (tmp_path / "inline").mkdir()
    return lambda program, name="test": inline_stack(tmp_path / "inline", "plugins", name, program)


@pytest.fixture
def stack(inline: Stacks) -> Iterator[Stacks]:
    """Yield a function that creates a stack of an inline program; the stack is destroyed after the test."""
    made: list[Stack] = []

    def make(program: Callable[[], None], name: str = "test") -> Stack:
        made.append(inline(program, name))
        return made[-1]

    yield make
    for each in made:
        each.destroy()


@pytest.fixture(scope="session")
def daemon() -> Iterator[docker.DockerClient]:
    """Yield a client of the local Docker daemon."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(daemon: docker.DockerClient) -> Iterator[str]:
    """Yield the name of an image with a shell and a few tools of this machine, and the libraries of these programs."""
    name = f"fds-plugins-test:{uuid.uuid4().hex[:12]}"
    repository, tag = name.split(":")
    daemon.api.import_image_from_data(_root_file_system(), repository=repository, tag=tag)
    yield name
    daemon.images.remove(name, force=True)


def _root_file_system() -> bytes:
    programs = [Path(str(shutil.which(tool))) for tool in TOOLS]
    libraries = {word for program in programs for word in _loaded(program)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for program in programs:
            archive.add(program.resolve(), f"bin/{program.name}")
        for library in sorted(libraries):
            archive.add(Path(library).resolve(), library.lstrip("/"))
        for folder in ("tmp", "data"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
    return packed.getvalue()


def _loaded(program: Path) -> list[str]:
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    return [word for word in listed.split() if word.startswith("/")]


def containers(daemon: docker.DockerClient, prefix: str = "web-") -> list[Any]:
    """Return all containers, running or not, whose names begin with `prefix`."""
    return [each for each in daemon.containers.list(all=True, ignore_removed=True) if each.name.startswith(prefix)]


@pytest.fixture
def ssh_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for `ssh` on PATH and return the log of its arguments.

    The stand-in connects to the local daemon, except for a host named `refused`.
    """
    found = tmp_path / "ssh_log"
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {found}\n'
        'case "$*" in *refused*) echo "Host key verification failed." >&2; exit 255;; esac\n'
        "unset DOCKER_HOST DOCKER_CONTEXT\n"  # as on a server, where these variables of the client are not set
        'while [ "$1" != -- ]; do shift; done; shift 2\n'
        # like OpenSSH, end at once on SIGTERM; `docker system dial-stdio` would go on
        'exec 3<&0; sh -c "exec $*" <&3 & child=$!\n'
        "trap 'kill -9 $child; exit 255' TERM\n"
        "wait $child\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    return found
