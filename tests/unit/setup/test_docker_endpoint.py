"""Test which Docker daemon is used.

`DOCKER_HOST` decides first, then the current Docker context, then the default socket.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fds_offline import registry
from infra.cost.planning.capacity import Machine, this_machine
from infra.prerequisites.docker import Docker
from stack_runtime.docker_endpoint import DEFAULT_ADDRESS, Endpoint, local_endpoint
from stack_runtime.docker_host import local_docker
from stack_runtime.errors import UnreachableError


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a Docker configuration with an unselected context `rootless`; return the path of the configuration."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    _create("rootless", "unix:///run/user/1000/docker.sock")
    return tmp_path / "config.json"


def _create(name: str, address: str, **files: Path) -> None:
    """Create a context with the `docker` command."""
    described = ",".join([f"host={address}", *(f"{key}={path}" for key, path in files.items())])
    subprocess.run(["docker", "context", "create", name, "--docker", described], check=True, capture_output=True)


def test_default_socket_is_used_if_the_docker_configuration_selects_no_other_context(configuration: Path) -> None:
    assert local_endpoint() == Endpoint(DEFAULT_ADDRESS)
    configuration.write_text('{"currentContext": "default"}')
    assert local_endpoint() == Endpoint(DEFAULT_ADDRESS)
    configuration.write_text("not JSON")
    assert local_endpoint() == Endpoint(DEFAULT_ADDRESS)
    configuration.unlink()
    assert local_endpoint() == Endpoint(DEFAULT_ADDRESS)


def test_current_context_is_used(configuration: Path) -> None:
    configuration.write_text('{"currentContext": "rootless"}')
    found = local_endpoint()
    assert found.address == "unix:///run/user/1000/docker.sock"
    assert found.is_local
    assert str(found).endswith("from Docker context rootless")


@pytest.mark.parametrize("address", ["ssh://me@example.org:22", "tcp://192.0.2.1:2375"])
def test_remote_daemon_of_a_context_is_used_but_its_machine_is_not_measured_or_configured(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create("far", address)
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert local_endpoint().address == address
    assert this_machine() == Machine(), "the size of another machine is unknown"
    assert not registry.may_configure()


def test_variables_docker_context_and_docker_host_override_the_current_context(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration.write_text('{"currentContext": "rootless"}')
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert local_endpoint().address == DEFAULT_ADDRESS
    monkeypatch.setenv("DOCKER_CONTEXT", "rootless")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certificates")
    found = local_endpoint()
    assert found == Endpoint("tcp://127.0.0.1:2376", "/certificates", "DOCKER_HOST", "unset DOCKER_HOST")
    assert "--tlscacert=/certificates/ca.pem" in found.options()


def test_certificates_of_a_context_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout"]
    subprocess.run([*words, files["key"], "-out", files["cert"]], check=True, capture_output=True)
    files["ca"].write_bytes(files["cert"].read_bytes())
    _create("tls", "tcp://192.0.2.1:2376", **files)
    monkeypatch.setenv("DOCKER_CONTEXT", "tls")
    assert Path(local_endpoint().certificates, "key.pem").is_file()


@pytest.mark.parametrize(("variable", "way"), [(True, "unset DOCKER_CONTEXT"), (False, "docker context use default")])
def test_selected_context_that_does_not_exist_is_an_error(
    variable: bool, way: str, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    else:
        configuration.write_text('{"currentContext": "gone"}')
    with pytest.raises(UnreachableError, match=f"there is no Docker context gone.*{way}") as raised:
        local_endpoint()
    assert raised.value.exit_code == 5


def test_unreadable_context_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "rootless")
    description = next(tmp_path.glob("contexts/meta/*/meta.json"))
    assert json.loads(description.read_text())["Name"] == "rootless"
    description.write_text("{")
    with pytest.raises(UnreachableError, match="the Docker context rootless cannot be read"):
        local_endpoint()


def test_no_daemon_is_started_if_the_daemon_of_the_context_does_not_answer(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[Docker.__module__]
    monkeypatch.setattr(module, "start", lambda: pytest.fail("started a daemon"))
    configuration.write_text('{"currentContext": "rootless"}')
    assert Docker().find() is None
    with pytest.raises(UnreachableError, match=r"Docker context rootless.*docker context use default"):
        Docker().get(lambda _: None)


def test_socket_path_that_is_too_long_for_linux_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix:///{'deep/' * 22}docker.sock")
    with pytest.raises(UnreachableError, match="longer than the 107 bytes"):
        local_docker()
