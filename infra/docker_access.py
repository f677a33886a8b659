"""Connect to the Docker daemon that a stack's containers run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from infra.engine.identity import of_project
from infra.hosts import host_of
from infra.ownership import foreign_on, refuse
from infra.stack_file import read
from stack_runtime.docker_endpoint import Endpoint
from stack_runtime.docker_host import connect
from stack_runtime.paths import keys_folder


@contextmanager
def endpoint(project: Path, stack: str) -> Iterator[Endpoint]:
    """Yield the endpoint of the stack's Docker daemon.

    The endpoint is local, or leads through an SSH tunnel that is open while the `with` block runs.

    Raises:
        UsageError: there is no such stack.
        ForeignError: another stack of this name has resources on a Docker daemon that several stacks may share.
        UnreachableError: the server does not answer.
    """
    settings = read(project, stack)
    host = host_of(settings)
    with host.docker_endpoint(settings, keys_folder(project, stack)) as where:
        if not host.makes_machine:
            foreign = foreign_on(connect(where), stack, lambda: of_project(project, stack))
            refuse(stack, foreign, host.docker_name(settings))
        yield where


@contextmanager
def daemon(project: Path, stack: str) -> Iterator[DockerClient]:
    """Yield a client of the stack's Docker daemon.

    Raises:
        UsageError, ForeignError, UnreachableError: for the same reasons as in `endpoint`.
    """
    with endpoint(project, stack) as where:
        yield connect(where)
