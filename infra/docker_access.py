"""From a project and a stack's name to the Docker daemon that its containers run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from infra.hosts import host_of
from infra.stack_file import read
from stack_runtime.docker_host import connect
from stack_runtime.paths import keys_folder


@contextmanager
def address(project: Path, stack: str) -> Iterator[str]:
    """Where the daemon of `stack` answers, for as long as the block runs: here, or on the server through SSH.

    Raises:
        UsageError: there is no such stack.
        UnreachableError: the server does not answer.
    """
    settings = read(project, stack)
    with host_of(settings).docker_address(settings, keys_folder(project, stack)) as found:
        yield found


@contextmanager
def daemon(project: Path, stack: str) -> Iterator[DockerClient]:
    """A client of that daemon; raises as `address` does."""
    with address(project, stack) as where:
        yield connect(where)
