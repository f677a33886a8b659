"""Test the PostgreSQL roles of Metabase: `metabase` owns its database, `metabase_reader` can only read marts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from infra.services import selected
from infra.settings import Settings
from tests.integration.metabase.conftest import CASHFLOW, CUSTOMERS, login, publish, wait
from tests.kit.service import Running, created


def test_connected_reader_sees_marts_that_are_published_after_its_login(postgres: Running, tmp_path: Path) -> None:
    publish(postgres, tmp_path, CASHFLOW)
    with login(postgres, "metabase_reader", "marts") as reader:
        assert reader.execute("SELECT currency FROM marts.mart_daily_cashflow").fetchall() == [("EUR",)]
        publish(postgres, tmp_path, f"{CASHFLOW}, 1 as added", CUSTOMERS)
        assert reader.execute("SELECT added FROM marts.mart_daily_cashflow").fetchall() == [(1,)]
        assert reader.execute("SELECT count(*) FROM marts.dim_customers").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO marts.dim_customers VALUES ('x')",
        "UPDATE marts.dim_customers SET customer_id = 'x'",
        "DELETE FROM marts.dim_customers",
        "TRUNCATE marts.dim_customers",
        "DROP TABLE marts.dim_customers",
        "CREATE TABLE marts.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "SELECT * FROM ops.runs_of_the_test",
        "SELECT pg_read_file('/run/fds/roles.sql')",
        "COPY marts.dim_customers TO PROGRAM 'true'",
        "SET ROLE pipeline",
    ],
)
def test_reader_cannot_write_and_can_read_only_the_marts(postgres: Running, tmp_path: Path, statement: str) -> None:
    publish(postgres, tmp_path, CUSTOMERS)
    with login(postgres, "pipeline", "marts") as owner:
        owner.execute("CREATE SCHEMA IF NOT EXISTS ops")
        owner.execute("CREATE TABLE IF NOT EXISTS ops.runs_of_the_test (id int)")
    with login(postgres, "metabase_reader", "marts") as reader:
        assert reader.execute("SELECT count(*) FROM marts.dim_customers").fetchall() == [(3,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement.encode())


@pytest.mark.parametrize(
    ("role", "database"),
    [("metabase_reader", "metabase"), ("metabase_reader", "meltano"), ("metabase", "marts"), ("dashboard", "metabase")],
)
def test_role_cannot_connect_to_a_database_that_it_does_not_use(postgres: Running, role: str, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        login(postgres, role, database)


def test_role_of_metabase_owns_the_database_of_metabase(postgres: Running) -> None:
    with login(postgres, "metabase", "metabase") as owner:
        owner.execute("CREATE TABLE kept (id int)")
        owner.execute("CREATE EXTENSION IF NOT EXISTS citext")  # Metabase's migrations use this extension
        owner.execute("DROP TABLE kept")


def test_profile_bi_added_to_an_existing_stack_creates_a_reader_that_can_read_existing_marts(tmp_path: Path) -> None:
    with created("postgres", {"profiles": []}) as running:
        running.container.start()
        wait(running)
        assert (
            "metabase_reader"
            not in {file.name: file.content(running.context) for file in running.service.files}["roles.sql"]
        )
        publish(running, tmp_path, CUSTOMERS)
        settings = Settings.of("t-services", {"profiles": ["bi"]})
        added = {"metabase_password": "owner", "metabase_reader_password": "it's: \\ a reader"}
        secrets = {**running.context.secrets, **added}
        running.context = replace(running.context, settings=settings, services=selected(settings), secrets=secrets)
        running.deliver()
        running.container.restart()
        wait(running, "metabase_reader", "marts")
        with login(running, "metabase_reader", "marts") as reader:
            assert reader.execute("SELECT count(*) FROM marts.dim_customers").fetchall() == [(3,)]
