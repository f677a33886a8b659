"""Some of the collected files through the whole run: what is published is exact, or a message says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from tests.integration.pipeline.conftest import fds_run
from tests.integration.singer.test_csv_cases import CASES, CASES_FOLDER, truths

_PUBLISHED = "SELECT transaction_id, transaction_date::VARCHAR, amount, currency FROM marts.fact_transactions"


@pytest.mark.parametrize(
    "name",
    ["de_thousands_without_cents", "crypto_eight_places", "offset_time_two_runs", "invoice_numbers_two_files",
     "footer_total", "space_after_delimiter", "two_stray_quotes"],
)  # fmt: skip
def test_what_is_published_is_exact_or_said(tmp_path: Path, name: str) -> None:
    case, database, said = CASES[name], tmp_path / "warehouse.duckdb", ""
    for step in case["steps"]:
        said += json.dumps(fds_run(database, CASES_FOLDER / step["csv"]).answer, ensure_ascii=False)
    rows = {}
    if database.exists():
        with duckdb.connect(str(database), read_only=True) as connection:
            rows = {key: tuple(row) for key, *row in connection.execute(_PUBLISHED).fetchall()}
    assert any(all(truth.get(key) == row for key, row in rows.items()) for truth in truths(case)), rows
    assert rows in truths(case) if case["outcome"] == "read" else re.search(case["told"], said), said
