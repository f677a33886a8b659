"""Provide a real PostgreSQL with the roles of the profile `bi`, marts in it, and a stand-in for Metabase."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from infra.services import _metabase
from stack_runtime.metabase.access import Access
from stack_runtime.metabase.starter import Filled, fill
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.postgres_marts import publish_marts
from tests.kit.metabase.server import StandIn, metabase
from tests.kit.metabase.state import State
from tests.kit.service import Running, created

REACHABLE_S = 180.0
CASHFLOW = """create table marts.mart_daily_cashflow as
    select date '2026-01-05' as transaction_date, 'EUR' as currency, 7.5 as spend"""
CUSTOMERS = "create table marts.dim_customers as select 'c' || i as customer_id from range(3) as r(i)"
SPEND = {
    "name": "Spend by month",
    "display": "bar",
    "sql": "select date_trunc('month', transaction_date) as month, sum(spend) as spend "
    "from marts.mart_daily_cashflow group by 1",
    "x": ["month"],
    "y": ["spend"],
}


def login(running: Running, role: str, database: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Log in to PostgreSQL as this role, over the network and with the role's password, as a service does."""
    password = running.context.secrets[f"{role}_password"]
    return psycopg.connect(
        host=running.address, user=role, password=password, dbname=database, connect_timeout=5, autocommit=True
    )


def wait(running: Running, role: str = "postgres", database: str = "postgres") -> None:
    """Wait until a role can log in.

    The default is the superuser: the start script sets its password last, when all roles and databases exist.
    """
    deadline = time.monotonic() + REACHABLE_S
    while True:
        try:
            login(running, role, database).close()
            return
        except psycopg.OperationalError as error:
            assert time.monotonic() < deadline, f"{error}\n{running.logs()}"
            time.sleep(0.1)


def publish(running: Running, folder: Path, *statements: str) -> None:
    """Create marts in a DuckDB file with these statements; publish them to PostgreSQL with the pipeline's function."""
    file = folder / "warehouse.duckdb"
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        for statement in statements:
            connection.execute(statement)
    publish_marts(file, server_of(running), folder)


def server_of(running: Running) -> PostgresConfig:
    return PostgresConfig(running.address, 5432, "pipeline", running.context.secrets["pipeline_password"])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Running]:
    with created("postgres", {"profiles": ["bi"]}) as running:
        running.container.start()
        wait(running)
        yield running


@dataclass
class Platform:
    """PostgreSQL and a stand-in for Metabase, with functions that publish marts and create starter content."""

    postgres: Running
    stand_in: StandIn
    folder: Path

    @property
    def state(self) -> State:
        return self.stand_in.state

    def access(self, **changed: Any) -> Access:
        """Return what the runner's file about Metabase says, but with the addresses of this test.

        Args:
            changed: fields of the result that get another value.
        """
        found = json.loads(_metabase.ACCESS.content(self.postgres.context))
        found["database"]["host"] = self.postgres.address
        return Access(**{**found, "url": self.stand_in.url, **changed})

    def fill(self, **changed: Any) -> Filled:
        """Create the starter content in the stand-in, as the runner does in Metabase."""
        return fill(self.access(**changed), server_of(self.postgres), self.folder / "manifest.json")

    def publish(self, *statements: str) -> None:
        publish(self.postgres, self.folder, *statements)

    def declare(self, charts: Mapping[str, Sequence[Any]]) -> None:
        """Write a dbt manifest; `charts` maps each mart to the charts that its model declares."""
        nodes = {
            f"model.demo.{mart}": {
                "name": mart, "alias": mart, "schema": "marts", "config": {"meta": {"metabase": list(found)}}
            }
            for mart, found in charts.items()
        }  # fmt: skip
        (self.folder / "manifest.json").write_text(json.dumps({"nodes": nodes}))

    def run_card(self, name: str) -> list[tuple[Any, ...]]:
        """Run the query of a card as Metabase does, with the connection details of the card's database."""
        card = next(card for card in self.state.cards if card["name"] == name)
        query = card["dataset_query"]
        details = next(item["details"] for item in self.state.databases if item["id"] == query["database"])
        with connect(details) as connection:
            return connection.execute(query["native"]["query"].encode()).fetchall()

    def forget(self) -> None:
        """Remove the marts and the table `ops.metabase`, so that PostgreSQL is as in a new stack."""
        self.publish()
        with login(self.postgres, "pipeline", "marts") as connection:
            connection.execute("DROP TABLE IF EXISTS ops.metabase")


def connect(details: Mapping[str, Any]) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(
        host=details["host"], port=details["port"], dbname=details["dbname"], user=details["user"],
        password=details["password"], connect_timeout=5,
    )  # fmt: skip


@contextmanager
def new_platform(postgres: Running, folder: Path) -> Iterator[Platform]:
    """Serve a new stand-in for Metabase, with a PostgreSQL that has no marts."""
    with metabase(State(lambda details: connect(details).close())) as stand_in:
        found = Platform(postgres, stand_in, folder)
        found.forget()
        yield found


@pytest.fixture
def platform(postgres: Running, tmp_path: Path) -> Iterator[Platform]:
    with new_platform(postgres, tmp_path) as found:
        yield found
