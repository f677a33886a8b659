"""Recognize broken connections: the peer is gone, and the same command may succeed later."""

from __future__ import annotations

import http.client
import ssl
import sys

from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.text import shortened

_OF_LIBRARIES = (
    ("requests", "RequestException"),
    ("urllib3.exceptions", "HTTPError"),
    ("httpx", "TransportError"),
    ("paramiko", "SSHException"),
    ("psycopg", "OperationalError"),
)
"""Error classes by library. Only an imported library can have raised its own, so none is imported for the check."""


def lost(error: BaseException) -> StackError | None:
    """Return the error for a broken connection or an API refusal; None for any other failure."""
    if "hcloud" in sys.modules and isinstance(error, sys.modules["hcloud"].HCloudException):
        from infra.hosts.hetzner.api import failure

        return failure(error)
    known: list[type[BaseException]] = [ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError]
    for module, name in _OF_LIBRARIES:
        if module in sys.modules:
            known.append(getattr(sys.modules[module], name))
    if not isinstance(error, tuple(known)):
        return None
    words = shortened(error, 300) or type(error).__name__
    return UnreachableError(f"a connection broke: {words}", next_command="the same command again, or fds doctor")
