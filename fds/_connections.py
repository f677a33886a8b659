"""Recognize broken connections, after which the same command may succeed, and errors of the Hetzner API."""

from __future__ import annotations

import http.client
import ssl
from importlib import import_module
from importlib.util import find_spec

from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.text import shortened

_OF_LIBRARIES = (
    ("requests", "RequestException"),
    ("urllib3.exceptions", "HTTPError"),
    ("paramiko", "SSHException"),
    ("psycopg", "OperationalError"),
)
"""Error classes for broken connections: module and name of the class, one for each library that is always installed."""
_OF_EXTRAS = ("httpx", "httpx2")
"""HTTP libraries of the extra `agents`. In each, the error class for broken connections is `TransportError`."""


def connection_error(error: BaseException) -> StackError | None:
    """Return the error to show for a broken connection or an error of the Hetzner API; None for any other failure."""
    from hcloud import HCloudException

    if isinstance(error, HCloudException):
        from infra.hosts.hetzner.api import failure

        return failure(error)
    if not isinstance(error, _broken()):
        return None
    words = shortened(error, 300) or type(error).__name__
    return UnreachableError(f"a connection broke: {words}", next_command="the same command again, or fds doctor")


def _broken() -> tuple[type[BaseException], ...]:
    """Return the error classes that mean a broken connection; their libraries are imported only after a failure."""
    libraries = [*_OF_LIBRARIES, *((name, "TransportError") for name in _OF_EXTRAS if find_spec(name))]
    found = [getattr(import_module(module), name) for module, name in libraries]
    return (ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError, *found)
