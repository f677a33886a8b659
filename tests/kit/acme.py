"""A certificate authority for tests: pebble, Let's Encrypt's own test server, with a name server beside it.

Pebble is the real program, installed from its Go module at a fixed version into the cache. It checks challenges as
Let's Encrypt does, at port 80 of the address that the name server gives for a name, and issues from a root of its own
that nobody trusts.
"""

from __future__ import annotations

import datetime
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
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fds_offline.engine_build import go_program
from stack_runtime.paths import cache_dir
from tests.kit.names import NameServer, Resolve

MODULE, VERSION = "github.com/letsencrypt/pebble/v2", "v2.10.1"
START_SECONDS = 20.0


class CertificateAuthority:
    """An ACME server on an address of this machine, while the block runs.

    Args:
        address: where it answers; containers reach the one of Docker's bridge.
        resolve: how names resolve for the authority.
    """

    def __init__(self, address: str, resolve: Resolve) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="acme-")
        self._names = NameServer(resolve)
        self._ports = dict(zip(("acme", "management"), _free_ports(address, 2), strict=True))
        self._address = address
        self._pebble: subprocess.Popen[bytes] | None = None
        self.root = _certificate(Path(self._folder.name), address)
        """PEM that proves the directory itself, for the setting `certificateRoot`."""
        self.directory = f"https://{address}:{self._ports['acme']}/dir"
        """For the setting `certificates`."""

    def __enter__(self) -> CertificateAuthority:
        self._names.start()
        command = [str(program()), "-config", str(self._configuration()), "-dnsserver", self._names.address, "-strict"]
        # without its pauses for practice; those refusals of good nonces that a client must bear stay on
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
        """From now on nobody issues certificates; those that were issued can still be verified by `issuer`."""
        if self._pebble is not None:
            self._pebble.terminate()
            self._pebble.wait(10)

    def issuer(self) -> str:
        """PEM of the root that issued certificates are verified by. A new one at every start."""
        return self._ask(self._ports["management"], "/roots/0")

    def log(self) -> str:
        """What pebble said, for the message of a failed test."""
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
    """Pebble; installed from its Go module the first time, which takes half a minute."""
    target = cache_dir() / "test-kit" / f"pebble-{VERSION}" / "pebble"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as draft:
            command = [*go_program(), "install", f"{MODULE}/cmd/pebble@{VERSION}"]
            subprocess.run(command, env={**os.environ, "GOBIN": draft}, check=True, timeout=600)
            os.replace(Path(draft) / "pebble", target)
    return target


def _certificate(folder: Path, address: str) -> str:
    """A self-signed certificate for the authority's own address. Returns: its PEM, which is its root too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME directory of a test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    (folder / "endpoint.pem").write_text(pem)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "endpoint.key").write_bytes(private)
    return pem


def _free_ports(address: str, count: int) -> list[int]:
    probes = [socket.create_server((address, 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
