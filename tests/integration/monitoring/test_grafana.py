"""Test Grafana's dashboards by running each query of each panel, without Grafana.

Grafana itself does not run here, because its image cannot be built from packages. PromQL queries go to the Prometheus
of the deployed stack; SQL queries go to the PostgreSQL of the stack, with the role that the profile `grafana` adds.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from infra.component import generated_secrets
from infra.services import Context, _grafana_sql, selected
from infra.services._grafana_sources import METRICS_SOURCE
from infra.services.grafana import DASHBOARDS
from infra.settings import Settings
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import local_docker, running
from tests.integration.monitoring.monitored import PROFILES, STACK, Monitored, within
from tests.kit.project import ROOT

pytestmark = pytest.mark.timeout(900)

SETTINGS = Settings.of(STACK, {"host": "local", "profiles": [*PROFILES, "grafana"]})
SERVICES = selected(SETTINGS)
SAMPLE_S = 90
"""Longest wait until a query returns numbers, in seconds; the slowest queries compute a rate over one minute."""
PSQL = 'exec "/usr/lib/postgresql/$PG_MAJOR/bin/psql" --no-psqlrc --quiet --tuples-only --no-align -v ON_ERROR_STOP=1 '


def _queries() -> Iterator[Any]:
    """Yield each query of each panel as a parameter of a test."""
    files = {file.name: file for one in SERVICES if one.name == "grafana" for file in one.files}
    for name in DASHBOARDS:
        for panel in json.loads(files[f"dashboards/{name}.json"].content(Context(SETTINGS, {}, SERVICES)))["panels"]:
            for query in panel["targets"]:
                label = f"{name}-{panel['title']}-{query['refId']}".replace(" ", "_")
                yield pytest.param(query, id=label)


QUERIES = list(_queries())


def _is_metric(query: Any) -> bool:
    return bool(query["datasource"]["uid"] == METRICS_SOURCE)


def _psql(command: str, sql: str, **environment: str) -> tuple[int, str]:
    """Run SQL in the container of PostgreSQL. Returns: the exit code and the output."""
    client = local_docker()
    try:
        container = running(client, STACK, "postgres")
        words = ["sh", "-c", f'printf "%s" "$SQL" | ({PSQL} {command})']
        done = execute(container, words, {"SQL": sql, **environment})
        return done.code, (done.out + done.err).decode()
    finally:
        client.close()


class Database:
    """Access to PostgreSQL with the role of Grafana."""

    def __init__(self, password: str) -> None:
        self._password = password

    def run(self, sql: str) -> tuple[int, str]:
        """Run SQL as the role `grafana` over the network, as Grafana does. Returns: the exit code and the output."""
        command = '--host="$HOSTNAME" --username=grafana --dbname=marts'
        return _psql(command, sql, PGPASSWORD=self._password)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Run the query of a panel for the last day, and return its rows."""
        last_day = r"\1 BETWEEN now() - interval '1 day' AND now()"
        sql = re.sub(r"\$__timeFilter\((\w+)\)", last_day, query)
        code, output = self.run(f"SELECT coalesce(json_agg(found), '[]') FROM ({sql}) AS found")
        assert code == 0, output
        return list(json.loads(output))


@pytest.fixture(scope="module")
def database(stack: Monitored) -> Database:
    """Load the sample, then add the role `grafana` to PostgreSQL with the SQL that a deployment delivers."""
    sample = str(ROOT / "data_stack" / "samples" / "transactions.csv")
    loaded = stack.project.fds("run", "--csv", sample, "--json", timeout=600)
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    kept = json.loads(stack.project.engine("config", "--json", "--show-secrets").stdout)
    secrets = kept["freelancer-data-stack:secrets"]["objectValue"]
    secrets = {name: generated_secrets.value(name) for name in generated_secrets.names(SETTINGS, SERVICES)} | secrets
    postgres = {one.name: one for one in SERVICES}["postgres"]
    (roles,) = (file for file in postgres.files if file.name == "roles.sql")
    code, output = _psql("--username=postgres --dbname=postgres", roles.content(Context(SETTINGS, secrets, SERVICES)))
    assert code == 0, output
    return Database(secrets["grafana_password"])


def _samples(stack: Monitored, query: Any) -> list[float]:
    """Return the values of a PromQL query, with one minute for `$__rate_interval`.

    One minute is the shortest interval that Grafana would use: four times the interval between two scrapes.
    """
    expression = quote(query["expr"].replace("$__rate_interval", "1m"), safe="")
    if query["instant"]:
        found = stack.ask(f"/api/v1/query?query={expression}")["result"]
        return [float(one["value"][1]) for one in found]
    now = int(time.time())
    found = stack.ask(f"/api/v1/query_range?query={expression}&start={now - 60}&end={now}&step=15")["result"]
    return [float(value) for one in found for _, value in one["values"]]


@pytest.mark.parametrize("query", [one for one in QUERIES if _is_metric(one.values[0])])
def test_panel_query_to_prometheus_returns_numbers(stack: Monitored, database: Database, query: Any) -> None:
    assert within(SAMPLE_S, lambda: any(math.isfinite(value) for value in _samples(stack, query))), query["expr"]


@pytest.mark.parametrize("query", [one for one in QUERIES if not _is_metric(one.values[0])])
def test_panel_query_to_postgres_returns_rows(database: Database, query: Any) -> None:
    rows = database.rows(query["rawSql"])
    assert rows
    if query["format"] == "time_series":
        assert all({"time"} < row.keys() for row in rows)


def test_query_of_an_unknown_metric_returns_nothing(stack: Monitored) -> None:
    assert _samples(stack, {"expr": "rate(no_such_metric[$__rate_interval])", "instant": False}) == []


def test_marts_panel_shows_columns_size_and_rows_of_a_published_mart(database: Database) -> None:
    code, output = database.run("SELECT count(*) FROM marts.mart_daily_cashflow")
    assert code == 0, output

    def mart() -> dict[str, Any]:
        return {row["Mart"]: row for row in database.rows(_grafana_sql.MARTS)}["mart_daily_cashflow"]

    assert mart()["Columns"] > 1 and mart()["Size"] > 0
    # Wait for the row count, because PostgreSQL updates it some time after a transaction.
    assert within(30, lambda: bool(mart()["Rows"] == int(output) > 0)), (mart(), output)


def test_last_run_is_shown_with_its_numbers_of_rows(database: Database) -> None:
    run = database.rows(_grafana_sql.RUNS)[0]
    assert run["Outcome"] == "succeeded" and run["Took"] > 0 and run["Error"] == ""
    assert run["Rows read"] >= run["Rows loaded"] > 0


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ops.runs",
        "CREATE TABLE marts.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_role_of_grafana_cannot_write_tables_or_read_files_or_passwords(database: Database, sql: str) -> None:
    code, output = database.run(sql)
    assert code != 0 and "permission denied" in output, output


def test_role_of_grafana_cannot_connect_to_another_database(database: Database) -> None:
    code, output = database.run("\\connect airflow\n")
    assert code != 0 and "permission denied" in output, output
