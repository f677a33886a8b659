"""Test that the Docker SDK, the Docker provider and `fds setup` use the daemon of the current Docker context."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pulumi
import pulumi_docker
import pytest
from pulumi.automation.errors import CommandError

from infra.hosts.local.host import docker_provider
from infra.prerequisites.docker import Docker
from stack_runtime.docker_endpoint import DEFAULT_ADDRESS
from stack_runtime.docker_host import local_docker
from tests.integration.plugins.conftest import Stacks


class Relay:
    """A socket that forwards to the local daemon and counts the connections."""

    def __init__(self, path: Path, daemon: str) -> None:
        self.connections = 0
        self._daemon = daemon
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._daemon)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, target), daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder without a Docker configuration, and remove the variables that choose a daemon."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def _context(home: Path, name: str, address: str) -> None:
    """Write a context as `docker context create` does, below `home`."""
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoints = {"docker": {"Host": address, "SkipTLSVerify": False}}
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))


@pytest.fixture
def relay(home: Path) -> Iterator[Relay]:
    path = home / "relay.sock"
    found = Relay(path, DEFAULT_ADDRESS.removeprefix("unix://"))
    _context(home, "relay", f"unix://{path}")
    yield found
    found.close()


@pytest.mark.parametrize("by_variable", [True, False])
def test_current_docker_context_is_used_by_the_sdk_by_fds_setup_and_by_the_provider(
    by_variable: bool, relay: Relay, home: Path, stack: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_variable:
        monkeypatch.setenv("DOCKER_CONTEXT", "relay")
    else:
        (home / ".docker" / "config.json").write_text('{"currentContext": "relay"}')
    local_docker().close()
    assert relay.connections, "the SDK"
    before = relay.connections
    found = Docker().find()
    assert found is not None and found.where.endswith("Docker context relay")
    assert relay.connections > before, "setup"
    before, name = relay.connections, f"t-context-{secrets.token_hex(4)}"

    def program() -> None:
        over = pulumi.ResourceOptions(provider=docker_provider("plugins", pulumi.ResourceOptions()))
        pulumi_docker.Network("n", name=name, opts=over)

    ours = stack(program)
    ours.up()
    assert relay.connections > before, "the provider"
    assert docker.DockerClient(DEFAULT_ADDRESS).networks.list(names=[name])


def test_provider_uses_docker_host_even_if_docker_context_is_set(
    home: Path, stack: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", DEFAULT_ADDRESS)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    name = f"t-context-{secrets.token_hex(4)}"

    def program() -> None:
        over = pulumi.ResourceOptions(provider=docker_provider("plugins", pulumi.ResourceOptions()))
        pulumi_docker.Network("n", name=name, opts=over)

    stack(program).up()


def test_variable_docker_context_overrides_the_host_of_a_provider_without_a_context(
    home: Path, stack: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like the official provider, the stand-in prefers `DOCKER_CONTEXT` to its input `host`.

    Therefore, the programs of a stack pass an empty context to the provider.
    """
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")

    def program() -> None:
        provider = pulumi_docker.Provider("other", host=DEFAULT_ADDRESS)
        pulumi_docker.Network("n", opts=pulumi.ResourceOptions(provider=provider))

    with pytest.raises(CommandError, match="Error loading Docker context 'gone'"):
        stack(program).up()
    monkeypatch.delenv("DOCKER_CONTEXT")
