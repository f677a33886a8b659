"""List the resources that the Pulumi program registers for given settings, with their checked inputs and their outputs.

Pulumi's mocks replace the engine. They replace it for a whole process, so the program runs in a separate process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.project import ROOT

FILLED_IN: dict[str, dict[str, Any]] = {
    "hcloud:index/server:Server": {"ipv4Address": "192.0.2.1", "datacenter": "fsn1-dc14", "status": "running"},
    "docker:index/network:Network": {"internal": False, "scope": "local", "options": {}, "ipamConfigs": []},
    "docker:index/volume:Volume": {"driver": "local", "mountpoint": "/var/lib/docker/volumes/x/_data"},
    "docker:index/container:Container": {
        "bridge": "", "containerLogs": "", "exitCode": 0, "hostname": "0123456789ab", "init": False,
        "ipcMode": "private", "networkDatas": [{"networkName": "x", "ipAddress": "172.18.0.2"}], "runtime": "runc",
        "shmSize": 64, "stopSignal": "SIGTERM", "stopTimeout": 0,
    },
}  # fmt: skip
"""Outputs that the official provider fills in if the program does not set them, by the type of the resource."""


@dataclass(frozen=True)
class Registered:
    """A resource that the program registered."""

    kind: str
    name: str
    custom: bool
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


def registered(settings: Mapping[str, Any], **variables: str) -> list[Registered]:
    """Return all resources of the stack `prod` with these settings (camelCase), in order of registration.

    Args:
        variables: additional environment variables of the program.
    """
    words = [sys.executable, "-m", __name__, json.dumps(settings)]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FDS_PROJECT_DIR": folder, "FDS_CACHE_DIR": folder, **variables}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return [Registered(**each) for each in json.loads(done.stdout.splitlines()[-1])]


def _print_registered(values: Mapping[str, Any]) -> None:
    import pulumi

    from infra.component import generated_secrets
    from infra.component.args import DataStackArgs, Operation
    from infra.component.stack import DataStack
    from infra.hosts.hetzner import server
    from infra.settings import Settings
    from stack_runtime.paths import PROJECT

    found: list[dict[str, Any]] = []

    class Provider(pulumi.runtime.Mocks):
        def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
            return {}, None

        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            inputs = _checked(args.typ, args.name, args.inputs)
            filled = {"imageId": f"sha256:{inputs['name']}"} if "remoteImage" in args.typ else {}
            outputs = {**FILLED_IN.get(args.typ, {}), **filled, **inputs}
            custom = bool(args.custom) and not args.typ.startswith("pulumi:")
            found.append({"kind": args.typ, "name": args.name, "custom": custom, "inputs": inputs, "outputs": outputs})
            return str(len(found)), outputs

    settings = Settings.of("prod", values)
    known = {name: generated_secrets.value(name) for name in generated_secrets.names(settings)}
    # Do not wait for the server, because none is created.
    setattr(server, "wait_until_ready", lambda access, say, **_: None)  # noqa: B010

    async def program() -> None:
        folder = Path(os.environ["FDS_PROJECT_DIR"])
        DataStack("prod", DataStackArgs(settings, known, keys=folder / "keys", operation=Operation(folder)))

    pulumi.runtime.set_mocks(Provider(), project=PROJECT, stack="prod", preview=False)
    run: Any = pulumi.runtime.test
    run(program)()
    print(json.dumps(found))


def _checked(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs without markers of secrets. A stand-in of the provider, if any, checks and completes them."""
    from pulumi.runtime.rpc import unwrap_rpc_secret

    from fds_offline.plugins.docker.package import PACKAGE as DOCKER
    from fds_offline.plugins.fields import checked
    from fds_offline.plugins.hcloud.package import PACKAGE as HCLOUD

    plain = {key: unwrap_rpc_secret(value) for key, value in inputs.items()}
    if found := {**DOCKER.kinds, **HCLOUD.kinds}.get(kind):
        plain, failures = checked(found.fields, plain, {}, name, b"seed")
        assert not failures, failures
    plain.pop("__defaults", None)
    return plain


if __name__ == "__main__":
    _print_registered(json.loads(sys.argv[1]))
