"""Test that the export to Parquet changes no value, and that relations get the letter case of their models' names."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stack_runtime.pipeline.marts import export_parquet
from stack_runtime.pipeline.prepare_models import prepare_relations


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("170141183460469231731687303715::HUGEINT", "DECIMAL(38,0)", "170141183460469231731687303715"),
        ("INTERVAL '100000 hours 0.123456 seconds'", "VARCHAR", "100000:00:00.123456"),
        ("-(INTERVAL '1 month 3 days')", "VARCHAR", "-1 month -3 days"),
        ("TIMETZ '10:11:12+05:30'", "VARCHAR", "10:11:12+05:30"),
        ("{'a': 9007199254740993::HUGEINT}", "JSON", '{"a":9007199254740993}'),
        ("union_value(number := 2)", "JSON", '{"number":2}'),
        ("[1.10::DECIMAL(38, 18)]", "DECIMAL(38,18)[]", "[1.100000000000000000]"),
    ],
)
def test_value_is_exported_to_parquet_without_loss_even_if_its_type_changes(
    tmp_path: Path, value: str, kind: str, text: str
) -> None:
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"CREATE SCHEMA marts; CREATE TABLE marts.m AS SELECT {value} AS v")
    file = export_parquet(database, tmp_path / "parquet", "r1") / "m.parquet"
    assert duckdb.execute("SELECT typeof(v), v::VARCHAR FROM read_parquet(?)", [str(file)]).fetchall() == [(kind, text)]


def test_table_or_view_is_renamed_to_the_letter_case_of_its_model(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE SCHEMA marts; CREATE TABLE marts.Sales AS SELECT 7 AS a; CREATE TABLE marts.Mine (a INT)"
        )
        connection.execute("CREATE VIEW marts.Seen AS SELECT a + 1 AS b FROM marts.Sales")
    prepare_relations(database, [("marts", "sales"), ("marts", "SEEN"), ("marts", "new")], [], [])
    with duckdb.connect(str(database)) as connection:
        names = connection.execute("SELECT table_name FROM information_schema.tables ORDER BY 1").fetchall()
        assert [name for (name,) in names] == ["Mine", "SEEN", "sales"]
        assert connection.execute("SELECT b FROM marts.seen").fetchall() == [(8,)]
