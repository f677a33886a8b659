"""Test servers that the user already has: acceptance of the host key, the capacity, and the check of ports."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest

from infra.cost.planning.capacity import Machine
from infra.engine.stack_operations import StackOperations
from infra.hosts import HOSTS, host_of, recorded_host
from infra.hosts.ssh import commands, known, prompts
from infra.hosts.ssh.known import HostKey
from infra.hosts.ssh.server import docker_address
from infra.operations.reconcile import reconcile
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UnreachableError, UsageError
from stack_runtime.paths import keys_folder
from stack_runtime.remote import keys, ssh_options
from stack_runtime.remote.tunnel import destination

SETTINGS = Settings.of("home", {"host": "ssh", "sshHost": "192.0.2.1"})


def new_key() -> HostKey:
    return HostKey(*keys.public_half(keys.generate()).split())


OWN, OTHER = new_key(), new_key()


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Callable[[HostKey], None]:
    """Return a function that sets which host key the server shows; this key replaces the result of `ssh-keyscan`."""
    return lambda key: monkeypatch.setattr(known, "scan", lambda settings: key)


def pinned(project: Path) -> HostKey | None:
    return known.pinned(keys_folder(project, "home"))


def test_fingerprint_equals_the_fingerprint_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"{OWN.kind} {OWN.content}\n")
    output = subprocess.run(["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True).stdout
    assert output.split()[1] == OWN.fingerprint


def test_host_key_is_pinned_after_its_fingerprint_was_confirmed_with_yes(
    tmp_path: Path, shows: Callable[[HostKey], None]
) -> None:
    shows(OWN)
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "yes"

    assert known.trust(SETTINGS, tmp_path, ask) == OWN == pinned(tmp_path)
    assert OWN.fingerprint in asked[0]
    file = keys_folder(tmp_path, "home") / "known_hosts"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    known.trust(SETTINGS, tmp_path, ask)
    assert len(asked) == 1


@pytest.mark.parametrize("answer", ["", "y", "YES", "no", "yes please"])
def test_host_key_is_not_pinned_after_an_answer_other_than_yes(
    tmp_path: Path, shows: Callable[[HostKey], None], answer: str
) -> None:
    shows(OWN)
    with pytest.raises(UsageError, match="not accepted"):
        known.trust(SETTINGS, tmp_path, lambda _: answer)
    assert pinned(tmp_path) is None


def test_error_names_the_command_that_accepts_the_host_key_if_nobody_can_be_asked(
    tmp_path: Path, shows: Callable[[HostKey], None]
) -> None:
    shows(OWN)
    with pytest.raises(UnreachableError) as caught:
        known.check(SETTINGS, tmp_path)
    assert f"fds setup --stack home --accept-host-key {OWN.fingerprint}" in caught.value.next_command
    assert pinned(tmp_path) is None
    known.trust(SETTINGS, tmp_path, None, OWN.fingerprint)
    assert pinned(tmp_path) == OWN


@pytest.mark.parametrize("accepted", ["", OWN.fingerprint, OTHER.fingerprint[:-1]], ids=["none", "old", "part"])
def test_changed_host_key_is_refused_unless_the_fingerprint_of_the_new_key_is_given(
    tmp_path: Path, shows: Callable[[HostKey], None], accepted: str
) -> None:
    known.pin(SETTINGS, keys_folder(tmp_path, "home"), OWN)
    shows(OTHER)
    with pytest.raises(UnreachableError, match="so it is refused") as caught:
        known.trust(SETTINGS, tmp_path, lambda _: "yes", accepted)
    assert OTHER.fingerprint in str(caught.value) and pinned(tmp_path) == OWN


def test_pinned_host_key_is_replaced_if_the_fingerprint_of_the_new_key_is_given(
    tmp_path: Path, shows: Callable[[HostKey], None]
) -> None:
    known.pin(SETTINGS, keys_folder(tmp_path, "home"), OWN)
    shows(OTHER)
    known.trust(SETTINGS, tmp_path, None, OTHER.fingerprint)
    assert pinned(tmp_path) == OTHER


def test_server_that_shows_the_pinned_key_at_another_address_is_accepted(
    tmp_path: Path, shows: Callable[[HostKey], None]
) -> None:
    folder = keys_folder(tmp_path, "home")
    known.pin(SETTINGS, folder, OWN)
    shows(OWN)
    known.check(SETTINGS.model_copy(update={"ssh_host": "192.0.2.7", "ssh_port": 2222}), tmp_path)
    assert (folder / "known_hosts").read_text().startswith("[192.0.2.7]:2222 ")


def test_server_that_does_not_answer_is_an_error_with_the_address_and_port() -> None:
    nobody = SETTINGS.model_copy(update={"ssh_host": "127.0.0.1", "ssh_port": 1})
    with pytest.raises(UnreachableError, match=r"no SSH server answers at \[127\.0\.0\.1\]:1"):
        known.scan(nobody)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("192.0.2.1 ssh-ed25519 AAAA", ("192.0.2.1", "22")),
        ("[192.0.2.1]:2222 ssh-ed25519 AAAA", ("192.0.2.1", "2222")),
        ("2001:db8::1 ssh-ed25519 AAAA", ("2001:db8::1", "22")),
        ("[2001:db8::1]:2222 ssh-ed25519 AAAA", ("2001:db8::1", "2222")),
    ],
)
def test_address_and_port_are_read_from_known_hosts(entry: str, found: tuple[str, str]) -> None:
    assert destination(entry) == found
    settings = SETTINGS.model_copy(update={"ssh_host": found[0], "ssh_port": int(found[1])})
    assert known.destination(settings) == entry.split()[0]


def test_docker_address_puts_ipv6_in_brackets() -> None:
    assert docker_address(SETTINGS) == "ssh://deploy@192.0.2.1:22"
    assert docker_address(SETTINGS.model_copy(update={"ssh_host": "2001:db8::1"})) == "ssh://deploy@[2001:db8::1]:22"


@pytest.mark.parametrize(
    "line", ["", "# 192.0.2.1:22 SSH-2.0", "a ssh-ed25519", "a ssh-dss AAAA", "a ssh-ed25519 %%%", "a ssh-rsa \ufffd"]
)
def test_unusable_lines_of_ssh_keyscan_are_ignored(line: str) -> None:
    assert known._parsed(line) is None


def test_capacity_command_reports_the_real_size_of_this_machine() -> None:
    done = subprocess.run(["sh", "-c", commands.CAPACITY], capture_output=True, text=True, check=True)
    found = commands._parsed(done.stdout)
    assert found.unknown == "" and found.cores == os.cpu_count() and found.architecture in ("x86", "arm")
    assert found.memory_mb == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_048_576 and found.disk_gb


def test_output_of_shell_start_up_files_is_not_read_as_capacity() -> None:
    noise = "echo 'Welcome!'; printf 'arm\\n64\\n999999999\\n9999999999999'; "
    done = subprocess.run(["sh", "-c", noise + commands.CAPACITY], capture_output=True, text=True, check=True)
    found = commands._parsed(done.stdout)
    assert done.stdout.startswith("Welcome!") and found.unknown == "" and found.cores == os.cpu_count()


@pytest.mark.parametrize(
    "text", ["", "x86_64\n2\n4096", "x86_64\n2\n-1\n5", "x86_64\n2\n1e9\n5", "motd\nx86_64\n2\n4096\n5", "x\n0\n1\n1"]
)
def test_capacity_is_unknown_after_an_invalid_answer(text: str) -> None:
    assert commands._parsed(text) == Machine(unknown="its answer about memory, CPU and disk cannot be read")


def test_capacity_is_unknown_without_an_address_or_an_accepted_host_key(tmp_path: Path) -> None:
    host = host_of(SETTINGS)
    assert "sshHost is empty" in host.machine(Settings.of("home", {"host": "ssh"}), tmp_path).unknown  # type: ignore[union-attr]
    assert "host key is not accepted yet" in host.machine(SETTINGS, tmp_path).unknown  # type: ignore[union-attr]


def test_login_without_the_stacks_own_key_uses_the_keys_of_the_user_and_still_checks_the_host_key(
    tmp_path: Path,
) -> None:
    own, theirs = ssh_options(tmp_path), ssh_options(tmp_path, own_key=False)
    assert "IdentitiesOnly=yes" in own and "-i" in own
    assert "IdentitiesOnly=yes" not in theirs and "-i" not in theirs and "StrictHostKeyChecking=yes" in theirs


def _record(*items: dict[str, Any]) -> dict[str, Any]:
    return {"resources": [{"id": "1", **item} for item in items]}


CONTAINER = {"type": "docker:index/container:Container"}
PROVIDER = {"type": "pulumi:providers:docker", "inputs": {"host": "ssh://deploy@192.0.2.1:22", "sshOpts": "[]"}}


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({}, ""),
        (_record(CONTAINER), "local"),
        (_record({**PROVIDER, "inputs": {"host": "unix:///var/run/docker.sock"}}, CONTAINER), "local"),
        (_record(PROVIDER, CONTAINER), "ssh"),
        (_record({"type": "hcloud:index/server:Server"}, PROVIDER, CONTAINER), "hetzner"),
    ],
)
def test_kind_of_the_deployed_host_is_recognized_by_the_resources_in_the_pulumi_state(
    record: dict[str, Any], name: str
) -> None:
    assert recorded_host(record) == name


def test_price_and_address_of_an_own_server_are_listed_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\n")
    monkeypatch.chdir(tmp_path)
    assert prompts.missing(Settings.of("home", {"host": "ssh"})).keys() == {"serverPrice", "sshHost"}
    assert "serverPrice" in HOSTS["ssh"].missing(SETTINGS, {})


@pytest.mark.parametrize(("part", "wrong"), [("amount", "-1"), ("currency", "GBP"), ("per", "day"), ("date", "today")])
def test_invalid_answer_about_the_server_price_is_refused(part: str, wrong: str) -> None:
    with pytest.raises(UsageError):
        prompts._check_price_part("home", part, wrong)


class _MovedDeployment:
    """Double of a deployment: the host in the Pulumi state is not the host in the settings."""

    settings = SETTINGS

    def refuse_locked(self) -> None:
        """Raise no error, because no other deployment is running."""

    def refuse_another_host(self) -> None:
        raise RefusedError("stack home is on host local", next_command="fds down")


def test_move_of_a_stack_from_another_host_is_refused_before_the_server_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HOSTS["ssh"], "prepare", lambda *_, **__: pytest.fail("the server was prepared"))
    with pytest.raises(RefusedError):
        reconcile(cast(StackOperations, _MovedDeployment()), lambda _: None)


@pytest.mark.parametrize(
    ("containers", "listens", "says"),
    [
        ({}, False, ""),
        ({}, True, "port 80 is taken by another program; stop that"),
        ({"home": "home-traefik"}, True, ""),
        ({"other": "other-traefik"}, False, "port 80 is taken by the container other-traefik; stop that"),
        ({"": "nginx"}, True, "port 80 is taken by the container nginx; stop that"),
    ],
    ids=["free", "program", "own", "another stack", "another container"],
)
def test_port_is_refused_unless_it_is_free_or_used_by_the_stack(
    tmp_path: Path, containers: dict[str, str], listens: bool, says: str
) -> None:
    """Run the function `refuse_taken` of `fds-server.sh` with doubles of `docker ps` and `ss`."""
    (stack, name), *_ = [*containers.items(), ("", "")]
    listed = f'case "$*" in *fds.stack={stack or "none"}*|*format*) echo "{name}";; esac' if name else "true"
    for program, body in (("docker", listed), ("ss", "echo LISTEN" if listens else "true")):
        (tmp_path / program).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / program).chmod(0o755)
    script = files("infra.hosts.ssh").joinpath("fds-server.sh").read_text()
    functions = "\n".join(re.findall(r"(?ms)^(?:fail\(\).*?$|refuse_taken\(\) .*?^})", script))
    done = subprocess.run(
        ["sh", "-c", f"{functions}\nrefuse_taken 80 home"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (1 if says else 0, says)


def test_script_fds_server_is_valid_shell() -> None:
    script = files("infra.hosts.ssh").joinpath("fds-server.sh").read_text()
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
