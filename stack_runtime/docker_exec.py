"""Run commands in containers and receive all of their output.

`exec_run` of the Docker SDK can lose output: it reads from the raw socket, but the HTTP client may already have read
the first bytes of the output together with the head of the response (docker/docker-py#2042). The code here reads from
the buffer of the HTTP client, which has these bytes.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from docker.errors import APIError
from docker.models.containers import Container

_HEAD = struct.Struct(">BxxxL")
"""Head of a frame in Docker's stream format: 1 for standard output or 2 for standard error, and the length in bytes."""
_STDOUT = 1
_EXIT_S = 10.0
"""Maximum time from the end of the output until the daemon knows the exit code, in seconds."""


@dataclass(frozen=True)
class Executed:
    """A command that has ended: its exit code and its output."""

    code: int
    out: bytes
    err: bytes


class Execution:
    """A command in a container. It starts when `output` is called.

    Raises:
        APIError: the container does not exist or does not run.
    """

    def __init__(
        self, container: Container, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        assert container.client is not None
        self._api = container.client.api
        self._id = self._api.exec_create(container.id, list(command), environment=dict(environment or {}))["Id"]

    def output(self) -> Iterator[tuple[bytes, bytes]]:
        """Run the command and yield its standard output and standard error in parts; one of each pair is empty.

        Raises:
            APIError: the command cannot be started, or the connection ended within its output.
        """
        api: Any = self._api  # the SDK starts commands only with these methods, which are not public
        url, body = api._url("/exec/{0}/start", self._id), {"Detach": False, "Tty": False}
        response = api._post_json(url, data=body, headers={"Connection": "Upgrade", "Upgrade": "tcp"}, stream=True)
        try:
            # A command may print nothing for a long time. This also raises an error that the response contains.
            api._disable_socket_timeout(api._get_raw_response_socket(response))
            yield from _frames(response.raw._fp.fp)
        except APIError:
            raise
        except OSError:
            raise _connection_ended() from None
        finally:
            with contextlib.suppress(OSError):  # over SSH, closing writes to `ssh`, which may have ended
                response.close()

    def code(self) -> int:
        """Return the exit code; call this after `output` has ended.

        Raises:
            APIError: the command still runs, because the connection ended before it, or the container is gone.
        """
        deadline = time.monotonic() + _EXIT_S
        while (state := self._api.exec_inspect(self._id))["Running"] or state["ExitCode"] is None:
            if time.monotonic() > deadline:
                raise _connection_ended()
            time.sleep(0.1)
        return int(state["ExitCode"])


def execute(container: Container, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Executed:
    """Run a command in a container to its end and return its exit code and its output.

    Raises:
        APIError: the container does not run, or the connection ended before the command.
    """
    execution = Execution(container, command, environment)
    out, err = bytearray(), bytearray()
    for part, problem in execution.output():
        out += part
        err += problem
    return Executed(execution.code(), bytes(out), bytes(err))


def _frames(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the content of each frame of a stream, as standard output and standard error."""
    while head := stream.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise _connection_ended()
        kind, size = _HEAD.unpack(head)
        data = stream.read(size)
        if len(data) < size:
            raise _connection_ended()
        yield (data, b"") if kind == _STDOUT else (b"", data)


def _connection_ended() -> APIError:
    return APIError("interrupted", explanation="the connection to Docker ended before the command")
