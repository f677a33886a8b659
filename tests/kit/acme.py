"""Run a certificate authority for tests (Pebble, the ACME test server of Let's Encrypt), and a name server for it.

Pebble is installed into the cache from its Go module at a fixed version. Like Let's Encrypt, Pebble checks an HTTP
challenge at port 80 of the address that the name server returns for the host name. No client trusts the root of
Pebble's certificates by default.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from cryptography import x509

from fds_offline.engine_build import go_program
from stack_runtime.paths import cache_dir
from tests.kit.names import NameServer, Resolve
from tests.kit.self_signed import self_signed

MODULE, VERSION = "github.com/letsencrypt/pebble/v2", "v2.10.1"
START_SECONDS = 20.0


class CertificateAuthority:
    """An ACME server on a local address, which runs inside a `with` block.

    Args:
        address: local address on which the server listens; for clients in containers, the address of Docker's bridge.
        resolve: function that returns the IP addresses of a host name.
    """

    def __init__(self, address: str, resolve: Resolve) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="acme-")
        self._names = NameServer(resolve)
        self._ports = dict(zip(("acme", "management"), _free_ports(address, 2), strict=True))
        self._address = address
        self._pebble: subprocess.Popen[bytes] | None = None
        self.root = _certificate(Path(self._folder.name), address)
        """PEM certificate of the HTTPS server of the ACME directory, for the setting `certificateRoot`."""
        self.directory = f"https://{address}:{self._ports['acme']}/dir"
        """URL of the ACME directory, for the setting `certificates`."""

    def __enter__(self) -> CertificateAuthority:
        self._names.start()
        command = [str(program()), "-config", str(self._configuration()), "-dnsserver", self._names.address, "-strict"]
        # Disable only Pebble's artificial delays. Keep the random refusals of valid nonces, which clients must handle.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1"}
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._pebble = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
        self._names.stop()
        self._folder.cleanup()

    def stop(self) -> None:
        """Stop the server. Its certificates can still be verified with the root that `issuer` returned before."""
        if self._pebble is not None:
            self._pebble.terminate()
            self._pebble.wait(10)

    def issuer(self) -> str:
        """Return the root (PEM) of the certificates that Pebble issues; Pebble creates a new root at every start."""
        return self._ask(self._ports["management"], "/roots/0")

    def log(self) -> str:
        """Return the end of Pebble's log, for the message of a failed test."""
        return (Path(self._folder.name) / "log").read_text(errors="replace")[-4000:]

    def _configuration(self) -> Path:
        folder = Path(self._folder.name)
        document = {
            "listenAddress": f"{self._address}:{self._ports['acme']}",
            "managementListenAddress": f"{self._address}:{self._ports['management']}",
            "certificate": str(folder / "endpoint.pem"),
            "privateKey": str(folder / "endpoint.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        path = folder / "pebble.json"
        path.write_text(json.dumps({"pebble": document}))
        return path

    def _answers(self) -> bool:
        try:
            return "newOrder" in self._ask(self._ports["acme"], "/dir")
        except OSError:
            return False

    def _ask(self, port: int, path: str) -> str:
        context = ssl.create_default_context(cadata=self.root)
        with urllib.request.urlopen(f"https://{self._address}:{port}{path}", context=context, timeout=10) as answer:
            return str(answer.read().decode())


def program() -> Path:
    """Return the path of Pebble; if it is missing, install it from its Go module, which takes half a minute."""
    target = cache_dir() / "test-kit" / f"pebble-{VERSION}" / "pebble"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as draft:
            command = [*go_program(), "install", f"{MODULE}/cmd/pebble@{VERSION}"]
            subprocess.run(command, env={**os.environ, "GOBIN": draft}, check=True, timeout=600)
            os.replace(Path(draft) / "pebble", target)
    return target


def _certificate(folder: Path, address: str) -> str:
    """Write a self-signed certificate for `address` and its key into `folder`; return the certificate as PEM."""
    name = x509.IPAddress(ipaddress.ip_address(address))
    pem, key = self_signed("ACME directory of a test", name, days=1, is_ca=True)
    (folder / "endpoint.pem").write_text(pem)
    (folder / "endpoint.key").write_text(key)
    return pem


def _free_ports(address: str, count: int) -> list[int]:
    probes = [socket.create_server((address, 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
