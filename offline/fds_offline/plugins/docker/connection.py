"""Connect to the Docker daemon through a Unix socket, TCP, or the program `ssh` for `ssh://user@host:port`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.tls
import requests
import requests.adapters
import urllib3
import urllib3.connection
import urllib3.connectionpool
from docker import APIClient
from docker.errors import DockerException

from fds_offline.plugins.resources import PluginError

REQUEST_SECONDS = 1200
"""Time limit of one request, as in the official provider. A build step or a pull may send nothing for minutes."""
CONNECTIONS = 64
USUAL_HOST = "unix:///var/run/docker.sock"


def connect(settings: dict[str, Any]) -> APIClient:
    """Return a client of the daemon that the provider's inputs or Docker's environment variables select.

    Raises:
        PluginError: the daemon does not answer, or the selected context or host is invalid.
    """
    host = _of_context(settings) or settings.get("host") or os.environ.get("DOCKER_HOST") or USUAL_HOST
    tls = _tls(settings)
    try:
        if host.startswith("ssh://") and not tls:
            return _without_logins(_SSHClient(host, _ssh_options(settings)))
        client = APIClient(host, version="auto", timeout=REQUEST_SECONDS, tls=tls, max_pool_size=CONNECTIONS)
        return _without_logins(client)
    except (DockerException, requests.RequestException, OSError) as error:
        raise PluginError(f"the Docker daemon at {host} does not answer: {_ssh_error(error) or error}") from error


def _of_context(settings: dict[str, Any]) -> str:
    """Find the host of the Docker context that `settings` names, or else the variable `DOCKER_CONTEXT`.

    Returns: the host, which takes precedence over the input `host`; empty if no context is named.
    """
    name = settings["context"] if settings.get("context") is not None else os.environ.get("DOCKER_CONTEXT", "")
    if not name:
        return ""
    for file in Path.home().glob(".docker/contexts/meta/*/meta.json"):
        with contextlib.suppress(OSError, ValueError, LookupError):
            found = json.loads(file.read_text())
            if found["Name"] == name:
                return str(found["Endpoints"]["docker"]["Host"])
    raise PluginError(f"Error loading Docker context '{name}': context '{name}' not found")


def _without_logins(client: APIClient) -> APIClient:
    """Remove the client's logins and credential helpers, because the official provider uses only `registryAuth`."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as empty:
        empty.write('{"auths": {"unused.invalid": {}}}')  # without an entry, the Docker SDK would read the user's file
        empty.flush()
        client.reload_config(dockercfg_path=empty.name)
    return client


class SSHError(OSError):
    """Failure of the program `ssh`; the text is its last error message, or says that the connection broke."""


def readable(error: Exception) -> str | None:
    """Return the message of an expected failure, with the message of `ssh` if `ssh` failed; None for other errors."""
    failure = _ssh_error(error)
    if failure is not None:
        return f"the Docker daemon is not reached over SSH: {failure}"
    return str(error) if isinstance(error, (DockerException, requests.RequestException, OSError)) else None


def _ssh_error(error: object) -> SSHError | None:
    """Return the `SSHError` that an error of the HTTP libraries contains; None if it contains no `SSHError`."""
    if isinstance(error, SSHError):
        return error
    inner = error.args if isinstance(error, Exception) else ()
    causes = (error.__cause__, error.__context__) if isinstance(error, Exception) else ()
    found = (_ssh_error(each) for each in (*inner, *causes))
    return next((each for each in found if each is not None), None)


def _ssh_options(settings: dict[str, Any]) -> list[str]:
    """Return the options in `sshOpts`, which Pulumi passes as JSON text, else those in `DOCKER_SSH_OPTS`."""
    given = settings.get("sshOpts")
    if given is None:
        return os.environ.get("DOCKER_SSH_OPTS", "").split()
    return [str(option) for option in (json.loads(given) if isinstance(given, str) else given)]


def _tls(settings: dict[str, Any]) -> Any:
    given = settings.get("certPath")
    folder = os.environ.get("DOCKER_CERT_PATH") if given is None else given
    if not folder:
        return False
    ca, cert, key = (str(Path(folder, name)) for name in ("ca.pem", "cert.pem", "key.pem"))
    return docker.tls.TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)


class _SSHClient(APIClient):
    """A client that connects through `ssh … docker system dial-stdio`, with the provider's options for `ssh`.

    The SSH transport of the Docker SDK accepts no options, so it cannot check the pinned host key.
    """

    def __init__(self, host: str, options: list[str]) -> None:
        self._ssh_command = _command(host, options)
        super().__init__("http+unix:///unused", version="1.41", timeout=REQUEST_SECONDS)
        self.mount("http+docker://", _Adapter(self._ssh_command))
        self._version = str(self.version(api_version=False)["ApiVersion"])


def _command(host: str, options: list[str]) -> list[str]:
    """Return the `ssh` command as a list of arguments; the official provider runs the same command."""
    url = urlsplit(host)
    if not url.hostname or url.path not in ("", "/") or url.hostname.startswith("-") or url.password:
        raise PluginError(f"the Docker host '{host}' must have the form ssh://user@host:port")
    user = ["-l", url.username] if url.username else []
    port = ["-p", str(url.port)] if url.port else []
    base = ["ssh", *user, *port, *options, "-o", "ConnectTimeout=30", "-T"]
    return [*base, "--", url.hostname, "docker system dial-stdio"]


def is_remote(client: APIClient) -> bool:
    """Return whether the daemon is reached over SSH."""
    return isinstance(client, _SSHClient)


class _Connection(urllib3.connection.HTTPConnection):
    """One HTTP connection through an `ssh` process, which ends when our side of the socket pair is closed.

    The process is not killed, because a response may still be read after the connection is closed.
    """

    def __init__(self, command: list[str]) -> None:
        super().__init__("localhost", timeout=REQUEST_SECONDS)
        self._command = command
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115, closed when this object is freed

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )
        ours.settimeout(REQUEST_SECONDS)
        self.sock = ours

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
            raise SSHError(lines[-1] if lines else f"the connection broke: {error}") from error


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, command: list[str]) -> None:
        super().__init__("localhost", timeout=REQUEST_SECONDS, maxsize=CONNECTIONS)
        self._command = command

    def _new_conn(self) -> Any:
        return _Connection(self._command)


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, command: list[str]) -> None:
        self._pool = _Pool(command)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> Any:
        return request.path_url

    def close(self) -> None:
        super().close()
        self._pool.close()
