"""Run commands in a container over connections that join, cut or tunnel the daemon's responses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container

from stack_runtime.docker_endpoint import local_endpoint
from stack_runtime.docker_exec import Execution, execute
from stack_runtime.docker_host import local_docker

HELLO = ["sh", "-c", "echo out; echo err >&2; exit 3"]


@pytest.fixture(scope="module")
def container(daemon: docker.DockerClient, image: str) -> Iterator[Container]:
    made = daemon.containers.run(image, ["sleep", "600"], detach=True)
    yield made
    made.remove(force=True)


class Proxy:
    """Proxy for the daemon's socket. It sends the response of each started command in one piece, after its end.

    Args:
        keep: number of bytes of such a response to send; None for all.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        self._keep = keep
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.url = f"unix://{path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        started, held = threading.Event(), bytearray()
        with client, socket.socket(socket.AF_UNIX) as daemon, contextlib.suppress(OSError):
            daemon.connect(local_endpoint().address.removeprefix("unix://"))
            threading.Thread(target=_forward, args=(client, daemon, started), daemon=True).start()
            while part := daemon.recv(65536):
                if started.is_set():
                    held += part
                else:
                    client.sendall(part)
            client.sendall(held[: self._keep])
            client.shutdown(socket.SHUT_RDWR)  # `close` alone does not end a `recv` in another thread


def _forward(client: socket.socket, daemon: socket.socket, started: threading.Event) -> None:
    """Forward the client's requests until it closes the connection; set `started` before a command is started."""
    with contextlib.suppress(OSError):
        while request := client.recv(65536):
            if b"/start HTTP" in request:
                started.set()
            daemon.sendall(request)
        daemon.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _through(proxy: Proxy, container: Container) -> Iterator[Container]:
    client = docker.DockerClient(base_url=proxy.url, version="1.41")
    try:
        yield client.containers.get(str(container.id))
    finally:
        client.close()
        proxy.close()


def test_output_that_arrives_together_with_the_head_of_the_response_is_complete(
    container: Container, tmp_path: Path
) -> None:
    """The control shows that the SDK loses this output. If it fails, the SDK is mended, and `docker_exec` can go."""
    with _through(Proxy(tmp_path / "socket"), container) as far:
        done = execute(far, HELLO)
        assert (done.code, done.out, done.err) == (3, b"out\n", b"err\n")
        assert far.exec_run(HELLO).output == b"", "control"


@pytest.mark.parametrize("keep", [220, 1000])
def test_output_that_is_cut_is_an_error(container: Container, tmp_path: Path, keep: int) -> None:
    with _through(Proxy(tmp_path / "socket", keep), container) as far:
        execution = Execution(far, ["sh", "-c", "printf %4000s x"])
        with pytest.raises(APIError, match="connection to Docker ended"):
            list(execution.output())


def test_exit_code_of_a_command_that_has_not_ended_is_an_error(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stack_runtime.docker_exec._EXIT_S", 0.5)
    execution = Execution(container, ["sh", "-c", "echo begin; sleep 5"])
    assert next(execution.output()) == (b"begin\n", b"")
    with pytest.raises(APIError, match="connection to Docker ended"):
        execution.code()


def test_command_over_ssh_gets_its_variables_and_returns_long_output(
    container: Container, ssh_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://deploy@accepted:2222")
    with contextlib.closing(local_docker()) as client:
        far = client.containers.get(str(container.id))
        done = execute(far, ["sh", "-c", "printf %${SIZE}s x"], {"SIZE": "3000000"})
    assert (done.code, len(done.out), done.err) == (0, 3_000_000, b"") and ssh_log.exists()


def test_command_in_a_stopped_container_is_an_error(daemon: docker.DockerClient, image: str) -> None:
    stopped = daemon.containers.create(image, ["true"])
    try:
        with pytest.raises(APIError, match="is not running"):
            execute(stopped, ["true"])
    finally:
        stopped.remove(force=True)
