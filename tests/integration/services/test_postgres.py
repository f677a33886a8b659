"""Test PostgreSQL as the stack starts it: kills, clusters that an earlier version of the stack created, and logins."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from docker.models.containers import Container

from stack_runtime.docker_exec import execute
from tests.kit.container_output import output_of
from tests.kit.service import Running, created

REACHABLE_S = 180.0
KILLS = 20


def _connect(
    running: Running, role: str = "pipeline", database: str = "marts"
) -> psycopg.Connection[tuple[object, ...]]:
    """Log in over the network with the password of the role, as another service does."""
    password = running.context.secrets[f"{role}_password"]
    return psycopg.connect(host=running.address, user=role, password=password, dbname=database, connect_timeout=5)


def _wait(running: Running) -> None:
    """Wait until the superuser and the roles `pipeline` and `dashboard` can log in over the network."""
    deadline = time.monotonic() + REACHABLE_S
    while True:
        try:
            for role, database in (("pipeline", "marts"), ("pipeline", "meltano"), ("postgres", "postgres")):
                _connect(running, role, database).close()
            _connect(running, "dashboard", "marts").close()
            return
        except psycopg.OperationalError as error:
            assert time.monotonic() < deadline, f"{error}\n{running.logs()}"
            time.sleep(0.1)


@pytest.mark.slow
def test_cluster_after_a_killed_first_start_is_usable_or_recreated() -> None:
    with created("postgres") as running:
        begun = time.monotonic()
        running.container.start()
        _wait(running)
        took = time.monotonic() - begun
    instants = random.Random(KILLS)
    for _ in range(KILLS):
        with created("postgres") as running:
            running.container.start()
            instant = instants.uniform(0, took)
            time.sleep(instant)
            running.container.kill("SIGKILL")
            left = _in_volume(running, "ls /data")
            running.container.start()
            _wait(running)
            assert running.becomes_healthy(), f"killed after {instant:.2f} of {took:.2f} s\n{running.logs()}"
            assert ("created again" in running.logs()) == ("pgdata.new" in left)


def test_data_survives_kills_after_the_first_start_is_finished() -> None:
    with created("postgres") as running:
        running.container.start()
        _wait(running)
        for number in range(3):
            with _connect(running) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
                connection.execute("INSERT INTO kept VALUES (%s)", (number,))
            running.container.kill("SIGKILL")
            running.container.start()
            _wait(running)
        with _connect(running) as connection:
            assert connection.execute("SELECT number FROM kept ORDER BY 1").fetchall() == [(0,), (1,), (2,)]
        assert "created again" not in running.logs() and "a new one is created" not in running.logs()


@pytest.mark.parametrize("left", ["", "base/1 base/4 base/5", "base/1 global"])
def test_incomplete_cluster_of_an_earlier_stack_version_is_set_aside_and_a_new_cluster_is_created(left: str) -> None:
    with created("postgres") as running:
        folders = " ".join(f"/data/pgdata/{folder}" for folder in left.split() or ["."])
        _in_volume(running, f"mkdir -p {folders} && echo 15 > /data/pgdata/PG_VERSION")
        running.container.start()
        _wait(running)
        assert "a new one is created" in running.logs()
        kept = execute(running.container, ["sh", "-c", "cat /var/lib/postgresql/data/pgdata.incomplete-*/PG_VERSION"])
        assert kept.out.strip() == b"15"


def test_complete_cluster_of_an_earlier_stack_version_keeps_its_data_and_gets_the_current_password() -> None:
    with created("postgres") as running:
        mounted = {running.volumes["postgres"]: {"bind": "/var/lib/postgresql/data"}}
        older = running.client.containers.run(
            "postgres:15",
            detach=True,
            user="999:999",
            environment={"POSTGRES_PASSWORD": "older", "PGDATA": "/var/lib/postgresql/data/pgdata"},
            volumes=mounted,
        )
        try:
            _wait_for_row(older, "CREATE DATABASE marts")
            _wait_for_row(older, "CREATE TABLE kept AS SELECT 42 AS number")
            older.stop()
        finally:
            older.remove(force=True, v=True)
        running.container.start()
        _wait(running)
        with _connect(running, "postgres", "postgres") as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(42,)]
        assert "created again" not in running.logs() and "a new one is created" not in running.logs()


def _in_volume(running: Running, script: str) -> str:
    """Run a shell script in a separate container with the volume at `/data`; return the output."""
    mounted = {running.volumes["postgres"]: {"bind": "/data"}}
    return output_of(running.client, "postgres:15", ["-c", script], entrypoint="sh", user="999", volumes=mounted)


def _wait_for_row(older: Container, statement: str) -> None:
    deadline = time.monotonic() + REACHABLE_S
    while older.exec_run(["psql", "-h", "127.0.0.1", "-U", "postgres", "-qc", statement]).exit_code:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def started() -> Iterator[Running]:
    with created("postgres") as running:
        running.container.start()
        _wait(running)
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "/var/run/postgresql"])
def test_role_needs_its_password_also_for_a_login_inside_the_container(started: Running, host: str) -> None:
    refused = execute(started.container, ["psql", "-w", "-h", host, "-U", "pipeline", "-d", "marts", "-c", "SELECT 1"])
    assert refused.code != 0 and b"no password supplied" in refused.err


def test_superuser_needs_a_password_over_tcp_but_not_over_the_socket(started: Running) -> None:
    query = ["psql", "-w", "-U", "postgres", "-Atc", "SELECT 1"]
    assert execute(started.container, query).out.strip() == b"1"
    assert started.container.exec_run([*query, "-h", "127.0.0.1"]).exit_code != 0


def test_no_process_has_a_password_in_its_environment_or_arguments(started: Running) -> None:
    read = "for process in /proc/[0-9]*; do cat $process/environ $process/cmdline; done 2>/dev/null"
    seen = execute(started.container, ["sh", "-c", read]).out.decode()
    assert "PGDATA=" in seen and "max_connections=" in seen
    seen += json.dumps(started.container.attrs) + started.logs()
    assert not [name for name, secret in started.context.secrets.items() if secret in seen]


def test_health_check_fails_if_no_service_can_log_in_over_the_network() -> None:
    with created("postgres") as running:
        running.deliver({"pg_hba.conf": "local all all trust\nhost all all 127.0.0.1/32 trust\n"})
        running.container.start()
        inside = ["psql", "-h", "127.0.0.1", "-U", "pipeline", "-d", "marts", "-c", "SELECT 1"]
        deadline = time.monotonic() + REACHABLE_S
        while running.container.exec_run(inside).exit_code:
            assert time.monotonic() < deadline, running.logs()
            time.sleep(0.2)
        time.sleep(1)  # let PostgreSQL create the other roles, because the check fails without them too
        assert running.checks() != 0
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            _connect(running)


def test_changed_passwords_of_roles_and_superuser_are_set_at_a_restart() -> None:
    with created("postgres") as running:
        running.container.start()
        _wait(running)
        running.context = replace(running.context, secrets=dict.fromkeys(running.context.secrets, "it's: \\new"))
        running.deliver()
        running.container.restart()
        _wait(running)
        assert running.becomes_healthy(), running.logs()
