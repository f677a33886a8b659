"""Publish marts to PostgreSQL: values stay exact, all marts change together, and readers are not disturbed."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stack_runtime.errors import CheckFailedError, UnreachableError
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.postgres_marts import publish_marts

TYPED = """CREATE OR REPLACE TABLE marts.typed AS SELECT * FROM (VALUES
    (1::BIGINT, 12.3400::DECIMAL(18, 4), DATE '2026-01-31', TIMESTAMP '2026-01-31 10:20:30.123456',
     TIMESTAMPTZ '2026-01-31 10:20:30+02', true, 0.1::DOUBLE, 'plain', 7::HUGEINT),
    (2, -0.0001, DATE '0999-12-31', NULL, NULL, false, 1e300, '', 170141183460469231731687303715884105727),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 0, DATE '9999-12-31', NULL, NULL, NULL, 'Infinity', 'a,"b"' || chr(10) || '\\N \\. ä–€' || chr(13), 0)
    ) AS t(id, amount, day, moment, instant, flag, ratio, words, big)"""


@pytest.fixture
def database(tmp_path: Path, server: PostgresConfig) -> Path:
    with server.connect("test", autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS marts CASCADE")
    file = tmp_path / "warehouse.duckdb"
    change(file, "CREATE SCHEMA marts; CREATE SCHEMA staging; CREATE TABLE staging.hidden AS SELECT 1; " + TYPED)
    return file


def change(database: Path, statements: str) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.execute(statements)


def values(server: PostgresConfig, query: str) -> list[tuple[object, ...]]:
    with server.connect("test") as connection:
        return connection.execute(query).fetchall()


def test_only_marts_are_published_and_every_value_is_unchanged(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    publish_marts(database, server, tmp_path)
    with duckdb.connect(str(database)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        wanted = connection.execute("SELECT * FROM marts.typed ORDER BY id").fetchall()
    found = values(server, "SELECT * FROM marts.typed ORDER BY id")
    assert [row[:4] + row[5:] for row in found] == [row[:4] + row[5:] for row in wanted]
    assert found[0][4].isoformat() == "2026-01-31T08:20:30+00:00"  # type: ignore[attr-defined]
    assert values(server, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'") == [
        ("typed",)
    ]


def test_nested_and_rare_types_keep_their_values(database: Path, server: PostgresConfig, tmp_path: Path) -> None:
    change(
        database,
        """CREATE TABLE marts.rare AS SELECT [1, 2] AS list, {'a': 'x', 'b': [0.5]} AS record, MAP {'k': 1} AS map,
            '{"deep": [null, 12345678901234567890.12]}'::JSON AS document, '\\x00\\xFFa'::BLOB AS bytes,
            INTERVAL 3 MONTH AS span, TIMESTAMP_NS '2026-01-01 00:00:00.123456' AS fine, 'b'::ENUM('a', 'b') AS kind,
            DATE '0044-03-15 (BC)' AS ides,
            uuid '00000000-0000-0000-0000-000000000007' AS id, TIME '10:11:12' AS clock""",
    )
    publish_marts(database, server, tmp_path)
    types = values(
        server, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'rare' ORDER BY 1"
    )
    assert dict(types) == {
        "list": "jsonb", "record": "jsonb", "map": "jsonb", "document": "jsonb", "bytes": "bytea", "span": "interval",
        "fine": "timestamp without time zone", "kind": "text", "ides": "date", "id": "uuid",
        "clock": "time without time zone",
    }  # fmt: skip
    columns = "list, record, map, document::text, bytes, span = '3 months', fine::text, kind, ides::text"
    assert values(server, f"SELECT {columns} FROM marts.rare") == [
        ([1, 2], {"a": "x", "b": [0.5]}, {"k": 1}, '{"deep": [null, 12345678901234567890.12]}', b"\x00\xffa", True,
         "2026-01-01 00:00:00.123456", "b", "0044-03-15 BC")
    ]  # fmt: skip


def test_removed_table_and_view_are_dropped_in_postgresql_but_a_table_of_a_user_is_kept(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    change(
        database,
        "CREATE TABLE marts.old AS SELECT 1 AS one; CREATE VIEW marts.seen AS SELECT one + 1 AS two FROM marts.old",
    )
    publish_marts(database, server, tmp_path)
    assert values(server, "SELECT two FROM marts.seen") == [(2,)]
    with server.connect("person") as connection:
        connection.execute("CREATE TABLE marts.notes AS SELECT 'mine' AS note")
    change(database, "DROP VIEW marts.seen; DROP TABLE marts.old")
    publish_marts(database, server, tmp_path)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts' ORDER BY 1"
    assert values(server, tables) == [("notes",), ("typed",)]


def test_removed_mart_that_a_view_of_a_user_reads_stops_the_publication(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    change(database, "CREATE TABLE marts.old AS SELECT 1 AS one")
    publish_marts(database, server, tmp_path)
    with server.connect("person") as connection:
        connection.execute("CREATE VIEW marts.mine AS SELECT one FROM marts.old")
    change(database, "DROP TABLE marts.old; DELETE FROM marts.typed")
    with pytest.raises(CheckFailedError, match="mine"):
        publish_marts(database, server, tmp_path)
    assert values(server, "SELECT (SELECT count(*) FROM marts.typed), (SELECT one FROM marts.mine)") == [(4, 1)]


def test_column_name_too_long_for_postgresql_is_refused(database: Path, server: PostgresConfig, tmp_path: Path) -> None:
    change(database, f"CREATE TABLE marts.long AS SELECT 1 AS {'x' * 64}")
    with pytest.raises(CheckFailedError, match="63 bytes"):
        publish_marts(database, server, tmp_path)


def test_nul_character_is_replaced_by_a_visible_character(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    change(database, "CREATE TABLE marts.words AS SELECT 'a' || chr(0) || 'b' AS word")
    publish_marts(database, server, tmp_path)
    assert values(server, "SELECT word FROM marts.words") == [("a\ufffdb",)]


def test_open_transaction_of_a_reader_still_sees_the_old_marts(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    publish_marts(database, server, tmp_path)
    with server.connect("reader") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute("SELECT count(*) FROM marts.typed").fetchone() == (4,)
        change(database, "DELETE FROM marts.typed WHERE id > 1")
        publish_marts(database, server, tmp_path)
        assert reader.execute("SELECT count(*) FROM marts.typed").fetchone() == (4,)
    assert values(server, "SELECT count(*) FROM marts.typed") == [(1,)]


def test_view_of_a_user_is_kept_and_a_refused_publication_changes_no_table(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    change(database, "CREATE TABLE marts.zoo AS SELECT 1 AS animal")
    publish_marts(database, server, tmp_path)
    with server.connect("person") as connection:
        connection.execute("CREATE VIEW marts.my_zoo AS SELECT animal FROM marts.zoo")
    change(database, "DELETE FROM marts.typed; UPDATE marts.zoo SET animal = 2")
    publish_marts(database, server, tmp_path)
    assert values(server, "SELECT animal FROM marts.my_zoo") == [(2,)]
    change(database, TYPED + "; CREATE OR REPLACE TABLE marts.zoo AS SELECT 'cat' AS animal")
    with pytest.raises(CheckFailedError, match="my_zoo"):
        publish_marts(database, server, tmp_path)
    assert values(server, "SELECT (SELECT count(*) FROM marts.typed), (SELECT animal FROM marts.my_zoo)") == [(0, 2)]


def test_mart_with_changed_columns_replaces_its_table_in_postgresql(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    publish_marts(database, server, tmp_path)
    change(database, "CREATE OR REPLACE TABLE marts.typed AS SELECT 1.5::DECIMAL(9, 2) AS other")
    publish_marts(database, server, tmp_path)
    with server.connect("test") as connection:
        assert str(connection.execute("SELECT other FROM marts.typed").fetchone()[0]) == "1.50"  # type: ignore[index]


def test_postgresql_that_does_not_answer_is_reported_as_unreachable(database: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="PostgreSQL does not answer"):
        publish_marts(database, PostgresConfig("127.0.0.1", 1, "pipeline", "wrong"), tmp_path)


def test_error_for_a_wrong_password_does_not_contain_the_password(
    database: Path, server: PostgresConfig, tmp_path: Path
) -> None:
    with pytest.raises(UnreachableError) as caught:
        publish_marts(database, PostgresConfig(server.host, server.port, "pipeline", "s3cret-guess"), tmp_path)
    assert "s3cret-guess" not in str(caught.value)
