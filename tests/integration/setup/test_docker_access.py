"""Test the errors if Docker or a registry refuses a request, and that no stand-in image is built then."""

from __future__ import annotations

import grp  # noqa: F401, imported before the fork, because the user `nobody` may not read the file of `grp`
import json
import multiprocessing
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fds_offline import images as stand_ins
from infra.hosts.local import preflight
from infra.prerequisites import images
from infra.prerequisites.docker import Docker
from infra.settings import Settings
from stack_runtime.docker_endpoint import DEFAULT_ADDRESS, local_endpoint
from stack_runtime.docker_host import connect, local_docker
from stack_runtime.docker_problems import pull
from stack_runtime.errors import StackError, UnreachableError
from tests.kit.hub import RATE_LIMIT, UNAUTHORIZED, refusing_hub

NOBODY = pwd.getpwnam("nobody").pw_uid


def _as_nobody(work: Callable[[], Any]) -> Any:
    """Call `work` in a forked process as the user `nobody`, and return the result, or the error as text."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()

    def child() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            theirs.send(work())
        except StackError as error:
            theirs.send(f"{type(error).__name__} {error.exit_code} {error}")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert ours.poll(30)
    found = ours.recv()
    process.join()
    return found


@pytest.fixture
def default_socket() -> None:
    """Skip the test if the daemon does not use the default socket."""
    local_docker().close()  # imports modules whose files the user `nobody` may not read
    if local_endpoint().address != DEFAULT_ADDRESS:
        pytest.skip("this machine's daemon does not use the default socket")


@pytest.mark.usefixtures("default_socket")
@pytest.mark.parametrize("ask", [lambda: connect(local_endpoint()), lambda: Docker().find()])
def test_error_for_a_user_outside_the_docker_group_has_the_command_that_adds_the_user(
    ask: Callable[[], object],
) -> None:
    output = _as_nobody(ask)
    group = Path("/var/run/docker.sock").group()
    assert output.startswith("DockerAccessError 5 this user may not use Docker")
    assert f"sudo usermod -aG {group} nobody, then log in again" in output or group == "root"


def test_ordinary_user_can_check_whether_a_port_below_1024_is_taken() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        privileged = next(port for port in range(1, 80) if not preflight._taken(port))
        assert _as_nobody(lambda: preflight._taken(privileged)) is False, "the daemon opens the port, not this user"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", privileged))
        listening.listen()
        assert _as_nobody(lambda: preflight._taken(privileged)) is True


class RootlessDaemon:
    """Double of a client whose daemon reports rootless mode, in the format of Docker's `info`."""

    def info(self) -> dict[str, object]:
        return {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}


def test_port_that_a_rootless_daemon_may_not_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "ip_unprivileged_port_start"
    limit.write_text("1024\n")
    monkeypatch.setattr(preflight, "UNPRIVILEGED", limit)
    settings = Settings.of("dev", {})
    refuse = preflight._refuse_privileged
    with pytest.raises(UnreachableError, match=r"may not open port 443, .*sysctl .*=443, or set httpPort"):
        refuse(RootlessDaemon(), settings, 443)  # type: ignore[arg-type]
    refuse(RootlessDaemon(), settings, 8443)  # type: ignore[arg-type]
    refuse(local_docker(), settings, 443)
    limit.write_text("443\n")
    refuse(RootlessDaemon(), settings, 443)  # type: ignore[arg-type]


@pytest.fixture
def no_stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if a stand-in image is built."""
    monkeypatch.setattr(stand_ins, "provide", lambda *_: pytest.fail("a stand-in was built under an official name"))
    forget = images._hub_answers.cache_clear
    forget()
    yield
    forget()


@pytest.mark.usefixtures("no_stand_in")
@pytest.mark.parametrize(
    ("refusal", "says"), [(RATE_LIMIT, "no more downloads for now.*docker login"), (UNAUTHORIZED, "unauthorized")]
)
def test_image_is_not_replaced_by_a_stand_in_if_the_hub_refuses_the_reachability_check(
    refusal: tuple[int, str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing_hub(refusal) as hub:
        monkeypatch.setattr(images, "PROBE", f"{hub}/library/hello-world:latest")
        with pytest.raises(UnreachableError, match=says) as raised:
            images.Image("redis:7").get(lambda _: None)
    assert raised.value.exit_code == 5


@pytest.mark.usefixtures("no_stand_in")
def test_image_is_not_replaced_by_a_stand_in_if_the_hub_refuses_only_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_hub_answers", lambda: True)
    with refusing_hub(RATE_LIMIT) as hub, pytest.raises(UnreachableError, match="no more downloads"):
        images.Image(f"{hub}/library/redis:7").get(lambda _: None)


def test_pull_refused_by_the_rate_limit_suggests_a_login() -> None:
    client = local_docker()
    with refusing_hub(RATE_LIMIT) as hub, pytest.raises(UnreachableError, match="docker login, or wait"):
        pull(client, f"{hub}/library/redis:7")


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point Docker to an empty configuration folder; return the path of its `config.json`, for the test to write."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.mark.parametrize("settings", [{"credsStore": "desktop.exe"}, {"credHelpers": {"HUB": "gone"}}])
def test_pull_reaches_the_registry_without_the_credential_helper_and_its_error_names_the_helper(
    settings: dict[str, Any], login: Path
) -> None:
    with refusing_hub(RATE_LIMIT) as hub:
        login.write_text(json.dumps(settings).replace("HUB", hub))
        # The registry answered "no more downloads", so the missing helper did not prevent the request.
        message = r"no more downloads.*docker-credential-\S+ is not installed"
        with pytest.raises(UnreachableError, match=message):
            pull(local_docker(), f"{hub}/library/redis:7")


def test_missing_credential_helper_does_not_prevent_a_build(login: Path, tmp_path: Path) -> None:
    login.write_text('{"credsStore": "desktop.exe"}')
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL test=helper\n")
    client = local_docker()
    image, _ = client.images.build(path=str(tmp_path))
    client.images.remove(str(image.id))


def test_error_names_a_failing_credential_helper(login: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-broken"
    helper.write_text("#!/bin/sh\necho 'error getting credentials: exec format error'; exit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    login.write_text('{"credsStore": "broken"}')
    with pytest.raises(UnreachableError, match=rf"credential helper of Docker fails.*remove it from {login}"):
        pull(local_docker(), "redis:7")
