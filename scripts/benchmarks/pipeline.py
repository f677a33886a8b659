"""Measure local pipeline runs of a small and a large file; compare the large run with the same SQL in plain DuckDB."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb

from scripts.benchmarks.load import write_rows
from scripts.benchmarks.result import BenchmarkResult
from scripts.benchmarks.watch import Watched, watch
from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.paths import beside
from stack_runtime.text import Say

SQL_RATIO = 3.0
"""Maximum ratio of the time of a run with a million rows to the time of the same SQL and tests in DuckDB."""
SMALL_SECONDS = 6.0
"""Maximum of the median time of runs with ten rows on a machine with two cores, in seconds."""
MEMORY_MB = 1000.0
"""Maximum memory of each process of the large run, in MiB."""
_ROWS = 1_000_000
_BY_HAND = """
import json, sys, duckdb
csv, database, manifest = sys.argv[1:]
nodes = json.load(open(manifest))["nodes"].values()
with duckdb.connect(database, config={"threads": 2}) as connection:
    connection.execute("CREATE SCHEMA raw_data; CREATE SCHEMA staging; CREATE SCHEMA intermediate; CREATE SCHEMA marts")
    connection.execute(f"CREATE TABLE raw_data.transactions AS SELECT * FROM read_csv('{csv}')")
    for node in sorted((n for n in nodes if n["resource_type"] == "model"), key=lambda n: n["depth"]):
        kind = "VIEW" if node["config"]["materialized"] == "view" else "TABLE"
        connection.execute(f"CREATE {kind} {node['schema']}.{node['alias']} AS {node['compiled']}")
    for node in nodes:
        if node["resource_type"] == "test":
            connection.execute(f"SELECT count(*) FROM ({node['compiled']})").fetchall()
"""


@dataclass(frozen=True)
class Result(BenchmarkResult):
    """The measured values of the pipeline runs.

    `sql_seconds` is the time of the same SQL in plain DuckDB. `peak_mb` is the peak memory of the large run in MiB, by
    kind of process.
    """

    rows: int
    sql_seconds: float
    run_seconds: float
    ratio: float
    peak_mb: dict[str, float]
    small_seconds: list[float]

    @property
    def targets(self) -> Sequence[tuple[bool, str]]:
        small, largest = median(self.small_seconds), max(self.peak_mb.values())
        return (
            (self.ratio <= SQL_RATIO, f"{self.ratio} times the same SQL, not {SQL_RATIO}"),
            (small <= SMALL_SECONDS, f"{small} s for a small file, not {SMALL_SECONDS}"),
            (largest < MEMORY_MB, f"{largest:.0f} MB in one process, not below {MEMORY_MB:.0f}"),
        )

    def lines(self) -> list[str]:
        return [
            f"{self.rows:,} rows through the whole pipeline",
            f"  the same SQL with its tests            {self.sql_seconds:8.2f} s",
            f"  fds run --local                        {self.run_seconds:8.2f} s",
            f"  ratio (at most {SQL_RATIO})                    {self.ratio:8.2f}",
            *(f"  peak of {name:31}{peak:8.1f} MB" for name, peak in sorted(self.peak_mb.items())),
            f"ten rows, median of {len(self.small_seconds)}                  {median(self.small_seconds):8.2f} s",
        ]


def measure(rounds: int, say: Say) -> Result:
    """Run all measurements in a temporary folder, with `rounds` runs of the small file."""
    meltano_env.prepare(say)
    with tempfile.TemporaryDirectory(prefix="pipeline-") as name:
        folder = Path(name)
        big, small, database = folder / "big.csv", folder / "small.csv", folder / "warehouse.duckdb"
        write_rows(big, _ROWS)
        write_rows(small, 10)
        say("fds run --local, ten rows")
        # Leave out the first run, because it takes longer: dbt parses the models.
        times = [_run(small, database).seconds for _ in range(rounds + 1)][1:]
        database.unlink()
        say(f"fds run --local, {_ROWS:,} rows")
        ours = _run(big, database)
        with duckdb.connect(str(database), read_only=True) as connection:
            found = connection.execute("SELECT count(*) FROM marts.fact_transactions").fetchone()
        if found != (_ROWS,):
            raise CheckFailedError(f"{_ROWS} rows were written, but {found} were loaded", where="fds run")
        say("the same SQL with its tests")
        manifest = _compiled(beside(database).dbt_target, folder / "compiled.json")
        by_hand = watch(
            [sys.executable, "-c", _BY_HAND, str(big), str(folder / "hand.duckdb"), str(manifest)], folder, {}
        )
    return Result(
        _ROWS, round(by_hand.seconds, 2), round(ours.seconds, 2), round(ours.seconds / by_hand.seconds, 2),
        {name: round(peak, 1) for name, peak in ours.peaks.items()}, [round(seconds, 2) for seconds in times],
    )  # fmt: skip


def _run(csv: Path, database: Path) -> Watched:
    command = [sys.executable, "-m", "fds.main", "run", "--local", "--json", "--csv", str(csv)]
    return watch([*command, "--database", str(database)], Path.cwd(), {})


def _compiled(target: Path, file: Path) -> Path:
    """Write the compiled models and tests of the last run to `file` as JSON, each with its depth in dbt's graph."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    texts = {path.stem: path.read_text() for path in (target / "compiled").rglob("*.sql")}

    def depth(name: str) -> int:
        return 1 + max(map(depth, nodes[name]["depends_on"]["nodes"]), default=0) if name in nodes else 0

    found = {
        name: {"resource_type": node["resource_type"], "schema": node["schema"], "alias": node["alias"],
               "config": node["config"], "depth": depth(name), "compiled": texts[node["name"]]}
        for name, node in nodes.items()
    }  # fmt: skip
    file.write_text(json.dumps({"nodes": found}))
    return file
