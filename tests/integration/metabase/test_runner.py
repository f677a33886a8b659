"""Test that the runner creates content in Metabase after a run that publishes data, and when `fds up` requests it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stack_runtime import labels
from stack_runtime.errors import UnreachableError
from stack_runtime.metabase.remote import fill_deployed
from stack_runtime.pipeline.remote_run import run_in_container
from tests.integration.metabase.conftest import connect
from tests.kit.leftovers import LABELS
from tests.kit.metabase.server import StandIn, metabase
from tests.kit.metabase.state import State
from tests.kit.project import SAMPLE
from tests.kit.service import Running, together


@dataclass
class Stack:
    """The runner, PostgreSQL and the stand-in for Metabase; `said` has what was printed since the last `fill` began."""

    runner: Running
    postgres: Running
    stand_in: StandIn
    said: list[str]

    def fill(self) -> list[str]:
        """Create the starter content as `fds up` does. Returns: the lines that `fds up` prints."""
        self.said.clear()
        fill_deployed(self.runner.client, self.runner.context.settings.stack, self.said.append)
        return list(self.said)

    def run(self) -> tuple[dict[str, object], int]:
        """Run the pipeline on the sample, as `fds run --csv` does."""
        return run_in_container(self.runner.client, self.runner.context.settings.stack, SAMPLE, self.said.append)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with together({"profiles": ["bi"]}, without=["metabase", "streamlit", "traefik"]) as services:
        runner, postgres = services["pipeline"], services["postgres"]
        for service in (postgres, runner):
            service.container.start()
            assert service.becomes_healthy(180), service.logs()
        postgres.network.reload()
        gateway = postgres.network.attrs["IPAM"]["Config"][0]["Gateway"]
        state = State(lambda details: connect({**details, "host": postgres.address}).close())
        with metabase(state, gateway) as stand_in:
            access = {file.name: file.content(runner.context) for file in runner.service.files}["metabase.json"]
            runner.deliver({"metabase.json": json.dumps({**json.loads(access), "url": stand_in.url})})
            # Create a container with the labels of Metabase, because `fill_deployed` looks for one. The container is
            # never started.
            name = runner.context.settings.stack
            marker = runner.client.containers.create(
                runner.container.image.id, labels={**labels.of_service(name, "metabase"), **LABELS}
            )
            try:
                yield Stack(runner, postgres, stand_in, [])
            finally:
                marker.remove(force=True)


def test_deployment_creates_the_account_and_the_first_run_creates_the_cards(stack: Stack) -> None:
    assert stack.fill() == [
        "created in Metabase: account, database",
        "left out in Metabase: all cards, because no mart is published yet; next: fds run",
    ]
    run, code = stack.run()
    assert (code, run["status"]) == (0, "succeeded"), run
    names = {card["name"] for card in stack.stand_in.state.cards}
    assert {"Spend by month", "Income by month", "Customers with the highest income", "Rows in each mart"} < names
    assert {"fact_transactions", "dim_customers", "mart_daily_cashflow", "mart_customer_metrics"} < names
    assert len(stack.stand_in.state.dashboards[0]["dashcards"]) == len(names) == 8
    assert stack.stand_in.refused == []
    for card in stack.stand_in.state.cards:
        details = {**stack.stand_in.state.databases[0]["details"], "host": stack.postgres.address}
        with connect(details) as reader:
            assert reader.execute(card["dataset_query"]["native"]["query"].encode()).fetchall(), card["name"]
    changes = stack.stand_in.changes()
    assert stack.fill() == [] and stack.stand_in.changes() == changes


def test_pipeline_run_publishes_even_if_metabase_refuses_requests(stack: Stack) -> None:
    stack.stand_in.starting = True
    try:
        run, code = stack.run()
        assert (code, run["status"]) == (0, "succeeded"), run
        assert "metabase was not filled" in stack.runner.logs()
        (line,) = stack.fill()
        assert line.startswith("Metabase has no starter content yet: Metabase refuses: 503")
    finally:
        stack.stand_in.starting = False


def test_no_secret_is_in_the_logs_or_the_configuration_of_the_runner(stack: Stack) -> None:
    stack.fill()
    seen = stack.runner.logs() + json.dumps(stack.runner.container.attrs["Config"])
    assert not [name for name, secret in stack.runner.context.secrets.items() if secret in seen]


def test_stopped_runner_is_reported_in_one_line(stack: Stack) -> None:
    stack.runner.container.stop(timeout=1)
    try:
        (line,) = stack.fill()
        assert "is not running" in line
        with pytest.raises(UnreachableError):
            stack.run()
    finally:
        stack.runner.container.start()
        assert stack.runner.becomes_healthy(180), stack.runner.logs()
