"""Test parts of the stand-in plugins: protocol values, units, container requests, SSH commands and launchers."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fds_offline.plugins import MODULES
from fds_offline.plugins.docker.connection import _command
from fds_offline.plugins.docker.container_config import container_config, nanoseconds
from fds_offline.plugins.docker.container_fields import CONTAINER_FIELDS
from fds_offline.plugins.docker.container_state import _cpus, _duration
from fds_offline.plugins.docker.image import _digest
from fds_offline.plugins.fields import changes, checked
from fds_offline.plugins.hcloud.server_fields import SERVER, user_data_hash
from fds_offline.plugins.language.toolchain import Toolchain, ToolchainError
from fds_offline.plugins.resources import PluginError
from fds_offline.plugins.values import plain, wrapped
from infra.prerequisites import launchers

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("name", "digests", "found"),
    [
        ("redis:7", [], ""),
        ("redis:7", ["mine/redis@sha256:1"], "mine/redis@sha256:1"),
        ("redis:7", ["mine/redis@sha256:1", "redis@sha256:2", "redis@sha256:3"], "redis@sha256:2"),
        ("redis:7@sha256:3", ["mine/redis@sha256:1", "redis@sha256:2", "redis@sha256:3"], "redis@sha256:2"),
        ("redis@sha256:3", ["redis@sha256:2", "redis@sha256:3"], "redis@sha256:2"),
        ("redis:7", ["mine/redis@sha256:1", "other/redis@sha256:2"], "mine/redis@sha256:1"),
    ],
)
def test_digest_of_an_image_equals_the_digest_that_the_official_provider_reports(
    name: str, digests: list[str], found: str
) -> None:
    assert _digest(name, digests) == found


@given(PLAIN)
def test_protocol_value_is_unchanged_after_it_is_encoded_and_decoded(value: Any) -> None:
    assert plain(wrapped(value)) == value


def test_secret_input_is_decoded_to_the_value_in_the_secret() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "token"}
    assert plain(wrapped({"token": secret, "list": [secret]})) == {"token": "token", "list": ["token"]}


@given(st.integers(0, 10**15))
def test_duration_is_unchanged_after_it_is_formatted_and_parsed(nano: int) -> None:
    assert nanoseconds(_duration(nano)) == pytest.approx(nano, abs=1)


@pytest.mark.parametrize(
    ("text", "nano"), [("0s", 0), ("1m30s", 90 * 10**9), ("500ms", 5 * 10**8), ("1h0m1s", 3601 * 10**9)]
)
def test_go_duration_is_parsed(text: str, nano: float) -> None:
    assert nanoseconds(text) == nano


@pytest.mark.parametrize(("cores", "text"), [(1, "1.0"), (2.0, "2.0"), (0.5, "0.5"), (0.25, "0.25"), (0.01, "0.0")])
def test_cores_are_formatted_as_in_the_official_plugin(cores: float, text: str) -> None:
    assert _cpus(round(cores * 10**9)) == text


def body(**inputs: Any) -> dict[str, Any]:
    given, failed = checked(CONTAINER_FIELDS, {"image": "i", **inputs}, {}, "c", b"")
    assert not failed
    return container_config(given)


def test_limits_of_a_container_are_sent_to_docker_in_bytes_and_nano_cpus() -> None:
    host = body(memory=64, memorySwap=-1, memoryReservation=32, cpus="1.5", shmSize=16)["HostConfig"]
    assert host["Memory"] == 64 * 2**20
    assert host["MemoryReservation"] == 32 * 2**20
    assert host["MemorySwap"] == -1
    assert host["NanoCpus"] == 1_500_000_000
    assert host["ShmSize"] == 16 * 2**20


def test_volumes_are_sent_in_the_fields_that_the_docker_api_expects() -> None:
    volumes = [
        {"volumeName": "v", "containerPath": "/a", "readOnly": True},
        {"hostPath": "/h", "containerPath": "/b"},
        {"containerPath": "/c"},
        {"fromContainer": "other"},
    ]
    config = body(volumes=volumes)
    assert config["HostConfig"]["Binds"] == ["v:/a:ro", "/h:/b:rw"]
    assert config["HostConfig"]["VolumesFrom"] == ["other"]
    assert set(config["Volumes"]) == {"/a", "/b", "/c"}


@pytest.mark.parametrize("wrong", [{"volumes": [{"readOnly": True}]}, {"command": ["a", ""]}, {"cpus": "many"}])
def test_invalid_inputs_of_a_container_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError):
        body(**wrong)


def test_ports_in_another_order_or_without_the_external_port_are_not_a_change() -> None:
    def differ(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> bool:
        return "ports" in changes(CONTAINER_FIELDS, {"image": "i", "ports": old}, {"image": "i", "ports": new}, [])

    one = {"internal": 80, "external": 8080, "ip": "0.0.0.0", "protocol": "tcp"}
    two = {"internal": 443, "external": 8443, "ip": "0.0.0.0", "protocol": "tcp"}
    assert not differ([one, two], [two, one])
    assert not differ([one], [{"internal": 80, "ip": "0.0.0.0", "protocol": "tcp"}])
    assert differ([one], [{**one, "external": 8081}])
    assert differ([one], [one, two])


def test_user_data_of_a_server_is_stored_and_compared_as_a_hash() -> None:
    state = {"serverType": "cx23", "userData": user_data_hash("secret")}
    assert changes(SERVER, state, {"serverType": "cx23", "userData": "secret"}, []) == {}
    assert changes(SERVER, state, {"serverType": "cx23", "userData": "other"}, []) == {"userData": True}
    assert "secret" not in state["userData"]


@pytest.mark.parametrize("host", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a:pass@h", "ssh://h/path"])
def test_invalid_or_unsafe_ssh_address_is_refused(host: str) -> None:
    with pytest.raises(PluginError):
        _command(host, [])


def test_ssh_command_equals_the_command_of_the_official_plugin() -> None:
    assert _command("ssh://deploy@10.0.0.1:2222", ["-i", "key"]) == [
        *("ssh", "-l", "deploy", "-p", "2222", "-i", "key", "-o", "ConnectTimeout=30", "-T"),
        *("--", "10.0.0.1", "docker system dial-stdio"),
    ]


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    return tmp_path


def _of(name: str) -> dict[str, str]:
    return {name: MODULES[name]}


def test_official_plugin_is_found_on_path_or_beside_pulumi_or_in_the_home_folder_of_pulumi(bare_machine: Path) -> None:
    name = "pulumi-resource-docker"
    assert launchers.official(name) is None
    cached = executable(bare_machine / "home/plugins/resource-docker-v5.2.0" / name)
    (bare_machine / "home/plugins/resource-docker-build-v0.1.0").mkdir()
    assert launchers.official(name) == launchers.official(name, "5.2.0") == cached
    assert launchers.official(name, "5.2.1") is None, "the engine uses only the required version of a plugin"
    partial = bare_machine / "home/plugins/resource-docker-v5.2.0.partial"
    partial.touch()
    assert launchers.official(name) is None, "the engine ignores a plugin with an incomplete download"
    partial.unlink()
    engine = executable(bare_machine / "real/pulumi")
    (bare_machine / "bin").mkdir()
    (bare_machine / "bin/pulumi").symlink_to(engine)
    beside = executable(bare_machine / "real" / name)
    assert launchers.official(name) == beside
    on_path = executable(bare_machine / "bin" / name)
    assert launchers.official(name) == on_path


def test_launcher_of_a_stand_in_does_not_count_as_an_official_plugin(bare_machine: Path) -> None:
    written = launchers.install(bare_machine / "bin", _of("pulumi-resource-docker"))
    assert written == [bare_machine / "bin/pulumi-resource-docker"]
    assert launchers.official("pulumi-resource-docker") is None


def test_install_writes_the_requested_launchers_and_removes_other_launchers_but_no_other_file(tmp_path: Path) -> None:
    launchers.install(tmp_path, MODULES)
    assert {path.name for path in tmp_path.iterdir()} == set(MODULES)
    (other := tmp_path / "somebody-elses").write_text("")
    launchers.install(tmp_path, _of("pulumi-language-python"))
    assert {path.name for path in tmp_path.iterdir()} == {"pulumi-language-python", other.name}
    assert stat.S_IMODE((tmp_path / "pulumi-language-python").stat().st_mode) == 0o755


def test_launched_plugin_ends_when_the_parent_process_ends(tmp_path: Path) -> None:
    (launcher,) = launchers.install(tmp_path, _of("pulumi-resource-hcloud"))
    (tmp_path / "infra.py").write_text("raise SystemExit('the working folder must not be searched')")
    ours, theirs = os.pipe()
    engine = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdout=-1, close_fds=False).stdout.readline()"
    started = [sys.executable, "-c", engine, str(launcher), "127.0.0.1:1"]
    subprocess.run(started, cwd=tmp_path, pass_fds=[theirs], timeout=20, check=True)
    os.close(theirs)
    ended, _, _ = select.select([ours], [], [], 10)
    assert ended, "the plugin still runs after the engine ended"
    assert os.read(ours, 1) == b""
    os.close(ours)


def test_unsupported_toolchain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="poetry"):
        Toolchain(tmp_path, {"toolchain": "poetry"})


def test_error_for_a_missing_virtualenv_suggests_pulumi_install(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="is not a virtualenv; next: pulumi install"):
        _ = Toolchain(tmp_path, {"virtualenv": "gone"}).python


def test_python_of_the_variable_pulumi_python_cmd_is_used_if_no_virtualenv_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "/opt/own/python")
    assert Toolchain(tmp_path, {}).python == "/opt/own/python"
    with pytest.raises(ToolchainError, match="is not a virtualenv"):
        _ = Toolchain(tmp_path, {"virtualenv": "gone"}).python
