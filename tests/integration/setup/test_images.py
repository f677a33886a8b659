"""Test that the service images, official or built locally, behave as the official images do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import local_docker

HARDENED: dict[str, Any] = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = local_docker()
    yield found
    found.close()


@pytest.fixture
def start(client: docker.DockerClient) -> Iterator[Callable[..., Container]]:
    """Return a function that starts a container, which is removed after the test."""
    started: list[Container] = []

    def run(image: str, *command: str, **options: Any) -> Container:
        container = client.containers.run(image, list(command) or None, detach=True, **options)
        started.append(container)
        return container

    yield run
    for container in started:
        container.remove(force=True, v=True)


def _retry(container: Container, *command: str, seconds: float = 60) -> str:
    """Repeat `command` in the container until it succeeds, and return its output."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        container.reload()
        assert container.status in ("created", "running"), container.logs().decode()
        done = execute(container, command)
        if done.code == 0:
            return done.out.decode().strip()
        time.sleep(0.2)
    raise AssertionError(f"{command}: {done}\n{container.logs().decode()}")


def test_postgres_initializes_in_a_hardened_container_without_root(
    start: Callable[..., Container], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "password").write_text('it\'s a "secret"\n')
    first = tmp_path / "first"
    first.mkdir()
    (first / "1.sql").write_text("CREATE TABLE made (id int PRIMARY KEY);")
    (first / "2.sh").write_text('psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO made VALUES (42)"\n')
    server = start(
        "postgres:15",
        user="999:999",
        tmpfs={"/tmp": "", "/var/run/postgresql": "uid=999,gid=999,mode=0770"},
        environment={"POSTGRES_PASSWORD_FILE": "/run/password", "POSTGRES_USER": "owner", "POSTGRES_DB": "my-data"},
        volumes={
            str(tmp_path / "password"): {"bind": "/run/password", "mode": "ro"},
            str(first): {"bind": "/docker-entrypoint-initdb.d", "mode": "ro"},
        },
        **HARDENED,
    )
    # Connect over TCP, which the server opens only after its initialization, and from an address that needs the
    # password.
    query = 'PGPASSWORD="$(cat /run/password)" psql -h $(hostname -i) -U owner -d my-data -Atc "SELECT id FROM made"'
    assert _retry(server, "sh", "-c", query) == "42"
    done = execute(server, ["sh", "-c", query.replace("$(cat /run/password)", "wrong")])
    assert done.code != 0 and b"password authentication failed" in done.err
    assert _retry(server, "psql", "-U", "owner", "-d", "my-data", "-Atc", "SHOW server_version_num").startswith("15")


def test_postgres_without_a_password_ends_with_an_error_that_names_the_variable(
    start: Callable[..., Container],
) -> None:
    server = start("postgres:15")
    assert server.wait()["StatusCode"] == 1
    assert b"POSTGRES_PASSWORD" in server.logs()


def test_postgres_started_as_root_drops_root_and_keeps_its_data(start: Callable[..., Container]) -> None:
    server = start("postgres:15", environment={"POSTGRES_PASSWORD": "p"})
    made = _retry(server, "psql", "-h", "127.0.0.1", "-U", "postgres", "-Atc", "CREATE TABLE IF NOT EXISTS kept ()")
    assert made.endswith("CREATE TABLE")
    assert _retry(server, "stat", "-c", "%U %u", "/proc/1") == "postgres 999"
    server.restart()
    assert _retry(server, "psql", "-h", "127.0.0.1", "-U", "postgres", "-Atc", "SELECT count(*) FROM kept") == "0"


def test_redis_started_as_root_drops_root_and_answers_other_containers(start: Callable[..., Container]) -> None:
    server = start("redis:7")
    assert _retry(server, "redis-cli", "ping") == "PONG"
    assert _retry(server, "stat", "-c", "%U %u", "/proc/1") == "redis 999"
    server.reload()
    address = server.attrs["NetworkSettings"]["IPAddress"]
    asker = start("redis:7", "redis-cli", "-h", address, "ping")
    assert asker.wait()["StatusCode"] == 0
    assert asker.logs().strip() == b"PONG"


def test_hardened_redis_reads_its_configuration_file_and_requires_the_password_in_it(
    start: Callable[..., Container], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "redis.conf").write_text("requirepass secret\nappendonly yes\n")
    volumes = {str(tmp_path / "redis.conf"): {"bind": "/run/redis.conf", "mode": "ro"}}
    server = start(
        "redis:7",
        "redis-server",
        "/run/redis.conf",
        user="999:999",
        tmpfs={"/data": "uid=999"},
        volumes=volumes,
        **HARDENED,
    )
    assert _retry(server, "redis-cli", "-a", "secret", "--no-auth-warning", "ping") == "PONG"
    assert "NOAUTH" in _retry(server, "redis-cli", "ping")


def test_traefik_runs_as_a_user_id_that_the_image_does_not_define(start: Callable[..., Container]) -> None:
    options = ("--ping", "--entrypoints.web.address=:8000", "--entrypoints.traefik.address=:8081")
    server = start("traefik:v3.7", *options, user="1234:1234", **HARDENED)
    assert "OK" in _retry(server, "wget", "-q", "-T", "3", "-O", "-", "http://127.0.0.1:8081/ping")
    assert "OK" in _retry(server, "traefik", "healthcheck", "--ping", "--entrypoints.traefik.address=:8081")


def test_pip_in_the_python_image_installs_from_the_package_index(start: Callable[..., Container]) -> None:
    script = (
        "set -e; test $(command -v python) = /usr/local/bin/python; python -m venv /tmp/v;"
        "/tmp/v/bin/pip install -q six; /tmp/v/bin/python -c 'import six'; pip --version"
    )
    container = start("python:3.11-slim", "sh", "-c", script)
    assert container.wait()["StatusCode"] == 0, container.logs().decode()
    assert b"python 3.11" in container.logs()
