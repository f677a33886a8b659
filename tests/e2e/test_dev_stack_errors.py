"""Test that `fds up` of a dev stack prints one error line with a next command if it cannot deploy the stack."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.kit.ports import free_ports
from tests.kit.project import Project


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    return Project(tmp_path, "e2e-broken", {"host": "local", "profiles": ["lean"], **free_ports()})


def error_line(result: subprocess.CompletedProcess[str], code: int) -> str:
    """Assert that a command ended with the exit code `code` and one error; return the line with the error."""
    assert result.returncode == code, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("fds: ")]
    assert len(lines) == 1 and "next: " in lines[0], result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_up_fails_if_docker_is_not_running(fresh: Project) -> None:
    assert "Docker is not running" in error_line(fresh.fds("up", DOCKER_HOST="unix:///nonexistent.sock"), 5)


def test_up_fails_if_the_https_port_is_taken(fresh: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        fresh.configure({"httpsPort": taken.getsockname()[1]})
        assert "is taken" in error_line(fresh.fds("up"), 5)


def test_up_fails_if_the_pulumi_engine_is_missing(fresh: Project, tmp_path: Path) -> None:
    path = f"{Path(shutil.which('git') or '/usr/bin/git').parent}"
    line = error_line(fresh.fds("up", FDS_CACHE_DIR=str(tmp_path / "cache"), PATH=path), 5)
    assert "engine" in line and "fds setup" in line


def test_up_fails_if_an_image_does_not_exist(tmp_path: Path) -> None:
    stack = Project(tmp_path, "e2e-broken", {"host": "local", "profiles": ["lean"], **free_ports()}, sources=True)
    proxy = stack.folder / "infra" / "services" / "traefik.py"
    proxy.write_text(proxy.read_text().replace('image="traefik:', 'image="traefik:no-such-'))
    line = error_line(stack.fds("up"), 5)
    assert "image traefik:no-such-v3.7" in line and "fds setup" in line
