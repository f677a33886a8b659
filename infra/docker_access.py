"""From a project and a stack's name to the Docker daemon that its containers run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from infra.stack_file import read
from stack_runtime.docker_endpoint import Endpoint, local_endpoint
from stack_runtime.docker_host import connect
from stack_runtime.remote.tunnel import docker_socket


def keys_folder(project: Path, stack: str) -> Path:
    """Where the key files of a stack's server lie: for the owner alone, and never in version control."""
    return project / ".fds" / "keys" / stack


@contextmanager
def endpoint(project: Path, stack: str) -> Iterator[Endpoint]:
    """Where the daemon of `stack` answers, for as long as the block runs: here, or on the server through SSH.

    Raises:
        UsageError: there is no such stack.
        UnreachableError: the server does not answer.
    """
    if read(project, stack).host == "local":
        yield local_endpoint()
        return
    with docker_socket(keys_folder(project, stack)) as socket:
        yield Endpoint(socket)


@contextmanager
def daemon(project: Path, stack: str) -> Iterator[DockerClient]:
    """A client of that daemon; raises as `endpoint` does."""
    with endpoint(project, stack) as where:
        yield connect(where)
