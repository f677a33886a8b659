"""Provide a real PostgreSQL for the tests of the pipeline, and run the real command line."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest

from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.postgres_config import PostgresConfig
from tests.kit.leftovers import LABELS

HEADER = "id,date,customer_id,amount,currency,category,description"


@dataclass(frozen=True)
class Ended:
    """Result of a command: its exit code, the JSON on its standard output, and the text on its standard error."""

    code: int
    answer: dict[str, Any]
    said: str


def command(*words: object, environment: Mapping[str, str] | None = None) -> Ended:
    """Run `python -m` with `words` as arguments, and return the result."""
    return ended(
        subprocess.run(
            [sys.executable, "-m", *map(str, words)], env={**os.environ, **(environment or {})},
            capture_output=True, text=True, check=False,
        )
    )  # fmt: skip


def ended(process: subprocess.CompletedProcess[str]) -> Ended:
    assert "Traceback" not in process.stderr, process.stderr
    return Ended(process.returncode, json.loads(process.stdout) if process.stdout.strip() else {}, process.stderr)


def fds_run(database: Path, csv: Path | None = None, *options: str) -> Ended:
    """Run `fds run --local --json` on `database`, with the file `csv` as `--csv` if it is given."""
    return command(*local_run(database, csv), *options)


def local_run(database: Path, csv: Path | None = None) -> tuple[str, ...]:
    """Return the module and the arguments of `fds run --local --json`."""
    more = ("--csv", str(csv)) if csv else ()
    return ("fds.main", "run", "--local", "--json", "--database", str(database), *more)


def rows(first: int, count: int, amount: str = "10.50") -> list[str]:
    """Return `count` CSV lines with consecutive ids, the first of which is `first`."""
    return [f"{number},2026-01-{number % 28 + 1:02},C{number % 7},{amount},EUR,consulting,hours" for number in
            range(first, first + count)]  # fmt: skip


def write_csv(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return file


@pytest.fixture(scope="session", autouse=True)
def _meltano() -> None:
    meltano_env.prepare(print)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresConfig]:
    """Run PostgreSQL 15 with the role and databases that the stack gives the pipeline."""
    client = docker.from_env()
    password = secrets.token_hex(8)
    container = client.containers.run(
        "postgres:15", detach=True, environment={"POSTGRES_PASSWORD": password},
        ports={"5432/tcp": ("127.0.0.1", None)},
        tmpfs={"/var/lib/postgresql/data": ""}, command=["-c", "fsync=off"], labels=LABELS,
    )  # fmt: skip
    try:
        container.reload()
        port = int(container.ports["5432/tcp"][0]["HostPort"])
        admin = f"host=127.0.0.1 port={port} user=postgres password={password} dbname=postgres"
        with _connected(admin) as connection:
            connection.execute(f"CREATE ROLE pipeline LOGIN PASSWORD '{password}'")
            connection.execute("CREATE DATABASE marts OWNER pipeline")
            connection.execute("CREATE DATABASE meltano OWNER pipeline")
        yield PostgresConfig("127.0.0.1", port, "pipeline", password)
    finally:
        container.remove(force=True, v=True)
        client.close()


def _connected(server: str) -> psycopg.Connection[Any]:
    """Return a connection to PostgreSQL, after repeated attempts if it does not answer yet.

    The container has no health check, because a health check would continue to run during the tests.
    """
    for _ in range(300):
        with suppress(psycopg.OperationalError):
            return psycopg.connect(server, autocommit=True)
        time.sleep(0.1)
    raise TimeoutError("PostgreSQL does not start")


@pytest.fixture
def runner(server: PostgresConfig, tmp_path: Path) -> dict[str, str]:
    """Create the folders and the password file of a runner that uses PostgreSQL.

    Returns: the environment variables with which the pipeline finds them, as in the container of the runner.
    """
    data = tmp_path / "data"
    for folder in ("landing/uploads", "private", "published"):
        (data / folder).mkdir(parents=True)
    password = tmp_path / "password"
    password.write_text(server.password)
    return {
        "FDS_DATA_DIR": str(data),
        "FDS_POSTGRES_HOST": server.host,
        "FDS_POSTGRES_PORT": str(server.port),
        "FDS_POSTGRES_PASSWORD_FILE": str(password),
    }
