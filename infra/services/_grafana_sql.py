"""Define the SQL queries of Grafana's dashboards about marts and runs.

No query names a mart, so the queries work in any project.
Grafana replaces the macro `$__timeFilter(column)` by a condition: the column's time is in the dashboard's time range.
"""

from __future__ import annotations

from stack_runtime.pipeline.marts import SCHEMA

_MARTS = f"FROM pg_stat_user_tables WHERE schemaname = '{SCHEMA}'"

MARTS_COUNT = f'SELECT count(*) AS "Marts" {_MARTS}'
MARTS_SIZE = f'SELECT coalesce(sum(pg_total_relation_size(relid)), 0) AS "Size" {_MARTS}'
MARTS_ROWS = f'SELECT coalesce(sum(n_live_tup), 0) AS "Rows" {_MARTS}'
MARTS = f"""SELECT relname AS "Mart", n_live_tup AS "Rows", pg_total_relation_size(relid) AS "Size",
    (SELECT count(*) FROM information_schema.columns
        WHERE table_schema = schemaname AND table_name = relname) AS "Columns"
{_MARTS} ORDER BY relname"""
COLUMNS = f"""SELECT table_name AS "Mart", column_name AS "Column", data_type AS "Type"
FROM information_schema.columns WHERE table_schema = '{SCHEMA}' ORDER BY table_name, ordinal_position"""

_TOOK = "extract(epoch FROM finished_at - started_at)"
_RUNS = "FROM ops.runs WHERE $__timeFilter(started_at)"

RUNS = f"""SELECT started_at AS "Started", status AS "Outcome", {_TOOK} AS "Took", source AS "Source",
    rows_read AS "Rows read", rows_loaded AS "Rows loaded", rows_quarantined AS "Rows quarantined", error AS "Error"
{_RUNS} ORDER BY started_at DESC"""
SECONDS = f'SELECT started_at AS "time", {_TOOK} AS "took" {_RUNS} AND finished_at IS NOT NULL ORDER BY 1'
ROWS = f"""SELECT started_at AS "time", rows_loaded AS "loaded", rows_quarantined AS "quarantined"
{_RUNS} AND finished_at IS NOT NULL ORDER BY 1"""
LOADED = """SELECT started_at AS "time", table_name AS "metric", sum(streams.rows_loaded) AS "rows"
FROM ops.runs JOIN ops.streams USING (run_id)
WHERE $__timeFilter(started_at) GROUP BY run_id, started_at, table_name ORDER BY 1"""


def _of_last_run(table: str) -> str:
    """Return an SQL condition that selects, from `table`, the rows of the last run that has rows there."""
    return f"run_id = (SELECT run_id FROM ops.runs JOIN {table} USING (run_id) ORDER BY started_at DESC LIMIT 1)"


STEPS = f"""SELECT name AS "Step", seconds AS "Took" FROM ops.steps
WHERE {_of_last_run("ops.steps")} ORDER BY position"""
CHECKS = f"""SELECT test_name AS "Check", status AS "Outcome", metric_value AS "Rows that fail", threshold AS "Allowed"
FROM ops.checks WHERE {_of_last_run("ops.checks")} ORDER BY status = 'pass', position"""
STREAMS = f"""SELECT source AS "Source", table_name AS "Table", rows_read AS "Rows read", rows_loaded AS "Rows loaded",
    rows_quarantined AS "Rows quarantined", rows_replaced AS "Rows replaced"
FROM ops.streams WHERE {_of_last_run("ops.streams")} ORDER BY position"""
