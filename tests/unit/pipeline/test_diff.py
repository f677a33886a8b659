"""Test how `--plan` and `--approve-over` compare marts: their rows by key or by content, their sums and columns."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stack_runtime.errors import CheckFailedError, UsageError
from stack_runtime.pipeline.diff import compare_marts, parse_share
from stack_runtime.pipeline.loading import refuse_large_changes
from stack_runtime.pipeline.model import MartDiff, Run
from tests.unit.pipeline.test_model import STARTED

ROWS = (
    "SELECT i AS id, CAST(i * 1.5 AS DECIMAL(9, 2)) AS amount, i / 3 AS ratio, 'n' || i AS name FROM range(100) AS t(i)"
)


def compare(folder: Path, old: str, new: str, key: str | None = "id") -> tuple[MartDiff, ...]:
    """Compare two databases; `old` and `new` are SQL that creates the relations of the schema `marts`."""
    paths = folder / "published.duckdb", folder / "new" / "warehouse.duckdb"
    for path, sql in zip(paths, (old, new), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE SCHEMA marts; {sql}")
    return compare_marts(*paths, {"m": key} if key else {})


def table(query: str) -> str:
    return f"CREATE TABLE marts.m AS {query}"


def test_mart_with_equal_rows_in_another_order_is_not_in_the_diff(tmp_path: Path) -> None:
    assert compare(tmp_path, table(ROWS), table(f"{ROWS} ORDER BY id DESC")) == ()
    assert compare(tmp_path, table(ROWS), table(f"{ROWS} ORDER BY id DESC"), key=None) == ()


def test_rows_are_compared_by_key(tmp_path: Path) -> None:
    changed = f"SELECT * REPLACE (CAST(amount + (id < 5)::INT AS DECIMAL(9, 2)) AS amount) FROM ({ROWS}) WHERE id > 1"
    more = "UNION ALL SELECT 200, 7::DECIMAL(9, 2), NULL, NULL"
    (diff,) = compare(tmp_path, table(ROWS), table(f"{changed} {more}"))
    assert (diff.key, diff.added, diff.changed, diff.removed, diff.share) == ("id", 1, 3, 2, 0.06)
    assert diff.sums["amount"] == ("7425.00", "7433.50")
    assert set(diff.sums) == {"id", "amount", "ratio"} and diff.columns == ()


@pytest.mark.parametrize("key", [None, "name", "no such column"])
def test_rows_without_a_unique_key_are_compared_by_content(tmp_path: Path, key: str | None) -> None:
    doubled = "SELECT * REPLACE ('same' AS name) FROM"
    (diff,) = compare(tmp_path, table(f"{doubled} ({ROWS})"), table(f"{doubled} ({ROWS}) WHERE id <> 3"), key)
    assert (diff.key, diff.added, diff.changed, diff.removed) == (None, 0, None, 1)
    (diff,) = compare(tmp_path, table("SELECT 1 AS a UNION ALL SELECT 1"), table("SELECT 1 AS a"), key)
    assert (diff.added, diff.removed) == (0, 1)


@pytest.mark.parametrize("value", ["nan", "infinity", "-infinity"])
def test_nan_or_infinity_equals_itself_and_differs_from_a_finite_float(tmp_path: Path, value: str) -> None:
    query = f"SELECT * REPLACE (CASE id WHEN 3 THEN '{value}'::DOUBLE ELSE ratio END AS ratio)"
    rows = f"{query} FROM ({ROWS})"
    for old, new in ((ROWS, rows), (rows, ROWS)):
        (diff,) = compare(tmp_path, table(old), table(new))
        assert diff.changed == 1 and set(diff.sums) == {"ratio"}
    (diff,) = compare(tmp_path, table(rows), table(f"{rows} WHERE id <> 0"))
    assert diff.removed == 1 and diff.sums == {}


def test_rounding_differences_of_floats_are_not_a_change(tmp_path: Path) -> None:
    noisy = f"SELECT * REPLACE (ratio * (1 + 1e-13) AS ratio) FROM ({ROWS})"
    assert compare(tmp_path, table(ROWS), table(noisy)) == ()
    assert len(compare(tmp_path, table(ROWS), table(f"SELECT * REPLACE (ratio * 1.001 AS ratio) FROM ({ROWS})"))) == 1


def test_added_removed_and_changed_columns_are_in_the_diff(tmp_path: Path) -> None:
    (added,) = compare(tmp_path, table(ROWS), table(f"SELECT *, 1 AS more FROM ({ROWS})"))
    assert (added.columns, added.share) == (("more added",), 0.0)
    (gone,) = compare(tmp_path, table(ROWS), table(f"SELECT * EXCLUDE (name) FROM ({ROWS})"))
    assert (gone.columns, gone.share) == (("name removed",), 1.0)
    (retyped,) = compare(tmp_path, table(ROWS), table(f"SELECT * REPLACE (amount::DOUBLE AS amount) FROM ({ROWS})"))
    assert (retyped.columns, retyped.share) == (("amount is DOUBLE, was DECIMAL(9,2)",), 1.0)


def test_added_and_removed_marts_are_in_the_diff(tmp_path: Path) -> None:
    new, gone = compare(tmp_path, "CREATE TABLE marts.z AS SELECT 1 AS a", table(ROWS))
    assert (new.mart, new.added, new.changed, new.share, new.columns) == ("m", 100, 0, None, ("mart added",))
    assert (gone.mart, gone.removed, gone.share, gone.columns) == ("z", 1, 1.0, ("mart removed",))


def test_marts_that_are_views_are_compared(tmp_path: Path) -> None:
    base = "CREATE TABLE main.b AS SELECT {} AS a; CREATE VIEW marts.m AS SELECT a FROM {}.main.b"
    (diff,) = compare(tmp_path, base.format(1, "published"), base.format(2, "warehouse"))
    assert diff.sums == {"a": ("1", "2")}


RARE = (
    "SELECT INTERVAL 100000 HOUR AS span, -(INTERVAL 1 DAY) AS back, [1.5::DECIMAL(9, 2)] AS list, "
    "TIMETZ '10:11:12+05:30' AS clock, {{'a': {}::HUGEINT}} AS record"
)


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_difference_of_one_in_a_huge_integer_is_found_in_a_mart_with_rare_types(tmp_path: Path, kind: str) -> None:
    mart = f"CREATE {kind} marts.m AS {RARE}"
    assert compare(tmp_path, mart.format(2**80), mart.format(2**80), None) == ()
    (diff,) = compare(tmp_path, mart.format(2**80), mart.format(2**80 + 1), None)
    assert (diff.added, diff.removed, diff.sums) == (1, 1, {})


def test_share_of_one_changed_row_in_millions_is_above_zero(tmp_path: Path) -> None:
    rows = "SELECT range AS id, {} AS a FROM range(3000000)"
    (diff,) = compare(tmp_path, table(rows.format(1)), table(rows.format("if(range = 7, 2, 1)")))
    assert diff.share and diff.share == pytest.approx(1 / 3_000_000)


def test_all_rows_of_a_mart_count_as_added_if_no_data_is_published(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(f"CREATE SCHEMA marts; {table(ROWS)}")
    (diff,) = compare_marts(tmp_path / "none.duckdb", tmp_path / "warehouse.duckdb", {})
    assert (diff.added, diff.share) == (100, None)


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0%", 0.0), ("2.5%", 0.025), (" 100% ", 1.0)])
def test_percentage_is_parsed(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["10", "ten%", "-1%", "101%", "%", "1e3%", "nan%", "\u0661%", ""])
def test_text_other_than_a_percentage_from_0_to_100_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="percentage"):
        parse_share(text)


@pytest.mark.parametrize(("share", "refused"), [(0.1, False), (0.11, True), (None, False), (0.0, False)])
def test_run_is_refused_if_it_changes_a_larger_share_of_a_published_mart_than_the_limit(
    share: float | None, refused: bool
) -> None:
    run = Run("r1", STARTED, "a.csv", diff=(MartDiff("m", "id", 1, 0, 0, share),))
    if refused:
        with pytest.raises(CheckFailedError, match=r"m by 11\.0%"):
            refuse_large_changes(run, 0.1)
    else:
        refuse_large_changes(run, 0.1)
