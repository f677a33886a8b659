"""Test which values of a seed change because of the type that dbt chooses for their column."""

from __future__ import annotations

import duckdb
import pytest

from stack_runtime.pipeline.seeds import is_changed


@pytest.mark.parametrize(
    ("text", "kind", "changed"),
    [
        ("7", "INTEGER", False),
        ("-7", "INTEGER", False),
        ("0", "INTEGER", False),
        ("007", "INTEGER", True),
        ("12E4", "INTEGER", True),
        ("7.0", "INTEGER", True),
        ("00501", "BIGINT", True),
        ("1.10", "DOUBLE", False),
        (".5", "DOUBLE", False),
        ("0.5", "DOUBLE", False),
        ("01.5", "DOUBLE", True),
        ("1e5", "DOUBLE", True),
        ("1234567890123.45", "DOUBLE", False),
        ("1234567890123.456789", "DOUBLE", True),
        ("2026-01-05 10:00:00", "TIMESTAMP", False),
        ("2026-01-05T10:00:00Z", "TIMESTAMP", False),
        ("2026-01-05T10:00:00+02:00", "TIMESTAMP", True),
        ("007", "VARCHAR", False),
        ("2026-01-05", "DATE", False),
    ],
)
def test_seed_value_that_dbt_would_change_is_recognized(text: str, kind: str, changed: bool) -> None:
    assert is_changed(text, kind) is changed


@pytest.mark.parametrize("text", ["123456789012345", "0.123456789012345", "99999999999999.9", "-1.00000000000001"])
def test_number_with_15_digits_is_unchanged_in_a_duckdb_column_of_type_double(text: str) -> None:
    assert not is_changed(text, "DOUBLE")
    query = "SELECT ?::DOUBLE::VARCHAR::DECIMAL(38, 16) = ?::DECIMAL(38, 16)"
    assert duckdb.execute(query, [text, text]).fetchall() == [(True,)]
