"""Test that the limits in README.md and docs equal the constants of the code."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tap_csv import scan

from agents.changes import proposal, service
from agents.llm.agent import Limits
from agents.server import api, auth, http_server, model_budget
from data_stack.streamlit import downloads
from infra.cost.planning import capacity, inputs, json_reader
from infra.cost.sources import rate
from infra.services import _alert_rules, metabase, prometheus, traefik
from stack_runtime.pipeline import staged, usage
from tests.kit.project import ROOT

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RUN = Limits()
STATED = {
    "server.md": [f"burst of {traefik.BURST} requests and then {traefik.PER_MINUTE} per minute"],
    "data.md": [
        f"up to {downloads.MAX_CELLS // 10**6} million values",
        f"more than {downloads.SORTED_ROWS:,} rows are not sorted",
    ],
    "operations.md": [
        f"keeps {prometheus.RETENTION_MB} MiB of metrics",
        f"the samples of the last {usage.WINDOW // DAY} days",
        f"over {_alert_rules.QUARANTINED:.0%} of the rows".replace("%", " %"),
    ],
    "orchestration.md": [f"reserves the pipeline for up to {staged.CLAIM // MINUTE} minutes"],
    "agents.md": [
        f"{RUN.seconds} seconds, {RUN.requests} requests, {RUN.tool_calls} tool calls, {RUN.tokens:,} tokens, and "
        f"${RUN.cost_usd}",
        f"within {service.APPROVAL_LIFETIME // MINUTE} minutes; a proposal can be approved for "
        f"{proposal.LIFETIME // HOUR} hours",
        f"{api.PER_MINUTE} requests a minute for a token; {http_server.HEAD_BYTES // 1024} KiB for a head and "
        f"{auth.MAX_BYTES // 1024} KiB for a body",
        f"${model_budget.TOKEN_USD} in 24 hours for a token and ${model_budget.STACK_USD} for the stack, and to "
        f"{model_budget.TOKEN_RUNS} simultaneous runs for a token and {model_budget.STACK_RUNS} for the stack",
    ],
    "cost.md": [
        f"{capacity.SYSTEM_MB} MiB, and {capacity.SHIM_MB} MiB for each container; 0.1 cores; {capacity.SYSTEM_GB} GB",
        f"more than {json_reader.MOST_BYTES // 2**20} MiB, or more than {json_reader._MOST_ENTRIES:,} entries",
        f"longer than {rate._ECB_SECONDS:g} seconds",
        f"Prices older than {inputs.PRICES_DAYS} days and rates older than {inputs.RATE_DAYS} are",
        f"older than {inputs.STATED_DAYS} days",
    ],
    "bi.md": [f"reserves {metabase.SERVICE.resources.memory_mb:,} MiB of memory"],
    "../README.md": [
        f"more than {scan.FEW} lines and more than a fifth",
        f"Prices older than {inputs.PRICES_DAYS} days or a rate older than {inputs.RATE_DAYS} days",
    ],
    "../data_stack/singer/tap-csv/README.md": [f"more than {scan.FEW} lines and more than a fifth"],
}


@pytest.mark.parametrize(("page", "sentence"), [(page, one) for page, said in STATED.items() for one in said])
def test_sentence_with_the_value_of_a_constant_is_in_the_documentation(page: str, sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", (ROOT / "docs" / page).read_text(encoding="utf-8"))


def test_constant_for_the_largest_share_of_bad_rows_is_a_fifth_as_documented() -> None:
    assert scan.MOST_BAD == 1 / 5
