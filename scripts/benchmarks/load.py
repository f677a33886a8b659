"""Compare how long our plugins, plain DuckDB, and plugins that send single records take to load CSV files."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from scripts.benchmarks.result import BenchmarkResult
from scripts.benchmarks.watch import Watched, watch
from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline import meltano_env
from stack_runtime.text import Say

RECORD_PATH_RATIO = 8.0
"""Minimum speed of `meltano run` with our plugins relative to the plugins in `reference`, which send single records."""
CTAS_RATIO = 2.2
"""Maximum time of `meltano run` relative to a CREATE TABLE AS in DuckDB that reads the same file."""
MEMORY_MB = 1000.0
"""Maximum memory of each process of `meltano run`, in MiB."""
_RECORD_PATH_ROWS = 1_000_000

_ROWS = """
SELECT i + 1 AS id, DATE '2020-01-01' + CAST(hash(i) % 2000 AS INTEGER) AS date,
    'C' || lpad(CAST(hash(i + 1) % 50000 AS VARCHAR), 5, '0') AS customer_id,
    CAST((CAST(hash(i + 2) % 2000000 AS BIGINT) - 500000) / 100.0 AS DECIMAL(18, 2)) AS amount,
    ['EUR', 'USD', 'GBP', 'CHF'][1 + CAST(hash(i + 3) % 4 AS INTEGER)] AS currency,
    ['development', 'consulting', 'travel', 'hosting'][1 + CAST(hash(i + 4) % 4 AS INTEGER)] AS category,
    CASE WHEN i % 10 = 0 THEN 'Workshop, day ' ELSE 'Invoice for work no. ' END || i AS description
FROM range({rows}) AS t(i)
"""


@dataclass(frozen=True)
class Result(BenchmarkResult):
    """Seconds, ratios and peak memory (MiB) of the loads.

    `record_path_seconds` is the time of the plugins in `reference` for the small file, `same_rows_seconds` the time of
    our plugins for this file. `ctas_seconds`, `meltano_seconds` and the memory are measured with the large file.
    """

    rows: int
    ctas_seconds: float
    meltano_seconds: float
    ctas_ratio: float
    peak_mb: dict[str, float]
    together_mb: float
    record_path_rows: int
    record_path_seconds: float
    same_rows_seconds: float
    record_path_ratio: float

    @property
    def targets(self) -> Sequence[tuple[bool, str]]:
        largest = max(self.peak_mb.values())
        return (
            (
                self.record_path_ratio >= RECORD_PATH_RATIO,
                f"{self.record_path_ratio} times the record path, not {RECORD_PATH_RATIO}",
            ),
            (self.ctas_ratio <= CTAS_RATIO, f"{self.ctas_ratio} times CREATE TABLE AS, not {CTAS_RATIO}"),
            (largest < MEMORY_MB, f"{largest:.0f} MB in one process, not below {MEMORY_MB:.0f}"),
        )

    def lines(self) -> list[str]:
        return [
            f"{self.rows:,} rows into an empty table",
            f"  CREATE TABLE AS                        {self.ctas_seconds:8.2f} s",
            f"  meltano run tap-csv target-duckdb      {self.meltano_seconds:8.2f} s",
            f"  ratio (at most {CTAS_RATIO})                    {self.ctas_ratio:8.2f}",
            *(f"  peak of {name:31}{peak:8.1f} MB" for name, peak in sorted(self.peak_mb.items())),
            f"  peak of all together                   {self.together_mb:8.1f} MB",
            f"{self.record_path_rows:,} rows",
            f"  the SDK's record path                  {self.record_path_seconds:8.2f} s",
            f"  meltano run tap-csv target-duckdb      {self.same_rows_seconds:8.2f} s",
            f"  ratio (at least {RECORD_PATH_RATIO})                   {self.record_path_ratio:8.2f}",
        ]


def measure(rows: int, say: Say) -> Result:
    """Run all measurements in a temporary folder; the large file has `rows` rows."""
    meltano_env.prepare(say)
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        big, small = folder / "big.csv", folder / "small.csv"
        fewer = min(rows, _RECORD_PATH_ROWS)
        say(f"writing {rows:,} and {fewer:,} rows")
        write_rows(big, rows)
        write_rows(small, fewer)
        _project(folder)
        say("CREATE TABLE AS")
        ctas = _ctas(big, folder)
        say(f"meltano run tap-csv target-duckdb, {rows:,} rows")
        ours = _meltano(folder, big, "tap-csv", "target-duckdb", rows)
        say(f"meltano run tap-csv target-duckdb, {fewer:,} rows")
        same = _meltano(folder, small, "tap-csv", "target-duckdb", fewer)
        say(f"meltano run tap-reference target-reference, {fewer:,} rows")
        reference = _meltano(folder, small, "tap-reference", "target-reference", fewer)
    return Result(
        rows, round(ctas.seconds, 2), round(ours.seconds, 2), round(ours.seconds / ctas.seconds, 2),
        {name: round(peak, 1) for name, peak in ours.peaks.items()}, round(ours.together, 1), fewer,
        round(reference.seconds, 2), round(same.seconds, 2), round(reference.seconds / same.seconds, 2),
    )  # fmt: skip


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV file with `rows` transactions."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_ROWS.format(rows=rows)}) TO '{path}' (HEADER)")


def _ctas(csv: Path, folder: Path) -> Watched:
    code = (
        "import duckdb, sys\n"
        "with duckdb.connect(sys.argv[2]) as connection:\n"
        "    connection.execute(f\"CREATE TABLE t AS SELECT * FROM read_csv('{sys.argv[1]}')\")"
    )
    return watch([sys.executable, "-c", code, str(csv), str(folder / "ctas.duckdb")], folder, {})


def _project(folder: Path) -> None:
    """Write into `folder` a `meltano.yml` with our plugins and the plugins in `reference`, from this virtualenv."""
    own = Path(sys.executable).parent
    for kind, script in (("tap", "tap"), ("target", "target")):
        path = folder / f"{kind}-reference"
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m scripts.benchmarks.reference {script} "$@"\n')
        path.chmod(0o755)

    def plugin(name: str, executable: Path, **settings: str) -> dict[str, Any]:
        return {
            "name": name, "namespace": name.replace("-", "_"), "executable": str(executable), "capabilities": ["state"],
            "settings": [{"name": setting, "kind": kind} for setting, kind in settings.items()],
        }  # fmt: skip

    extractors = [
        plugin("tap-csv", own / "tap-csv", entities="array", batch_config="object", quarantine_dir="string"),
        plugin("tap-reference", folder / "tap-reference", file="string"),
    ]
    loaders = [
        plugin("target-duckdb", own / "target-duckdb", path="string"),
        plugin("target-reference", folder / "target-reference", path="string"),
    ]
    project = {
        "project_id": "load-benchmark", "send_anonymous_usage_stats": False,
        "default_environment": "dev", "environments": [{"name": "dev"}],
        "plugins": {"extractors": extractors, "loaders": loaders},
    }  # fmt: skip
    (folder / "meltano.yml").write_text(json.dumps(project))


def _meltano(folder: Path, csv: Path, tap: str, target: str, rows: int) -> Watched:
    """Load all of `csv` with `tap` and `target` into an empty database, and check that it then has `rows` rows."""
    database = folder / "loaded.duckdb"
    database.unlink(missing_ok=True)
    storage = {"root": (folder / "batches").as_uri()}
    columns = {"date": "date", "amount": "decimal"}  # the same types as in the demo
    entity = {"entity": "transactions", "paths": [str(csv)], "keys": ["id"], "columns": columns}
    environment = {
        "TAP_CSV_ENTITIES": json.dumps([entity]),
        "TAP_CSV_BATCH_CONFIG": json.dumps(
            {"encoding": {"format": "parquet", "compression": "snappy"}, "storage": storage}
        ),
        "TAP_CSV_QUARANTINE_DIR": str(folder / "quarantine"),
        "TARGET_DUCKDB_PATH": str(database),
        "TAP_REFERENCE_FILE": str(csv),
        "TARGET_REFERENCE_PATH": str(database),
        "NO_COLOR": "1",
    }
    meltano = [str(meltano_env.MELTANO), "run", "--no-install", "--full-refresh", "--force", tap, target]
    watched = watch(meltano, folder, environment)
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM transactions").fetchone()
    if found != (rows, rows):
        raise CheckFailedError(f"{rows} rows were written, but {found} were loaded", where=f"{tap} {target}")
    for file in (folder / "batches").glob("*.parquet"):
        file.unlink()
    return watched
