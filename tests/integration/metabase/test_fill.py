"""Test how starter content is created in a stand-in for Metabase, with a real PostgreSQL that has real marts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from stack_runtime.errors import LockedError, UnreachableError
from stack_runtime.metabase.ledger import open_ledger
from tests.integration.metabase.conftest import CASHFLOW, CUSTOMERS, SPEND, Platform, login, new_platform, server_of
from tests.kit.metabase.server import Fault
from tests.kit.service import Running

MADE = ["account", "database", "collection", "card chart mart_daily_cashflow Spend by month", "card rows",
        "card table dim_customers", "card table mart_daily_cashflow", "dashboard"]  # fmt: skip


def _ready(platform: Platform) -> None:
    platform.publish(CASHFLOW, CUSTOMERS)
    platform.declare({"mart_daily_cashflow": [SPEND]})


def _counts(platform: Platform) -> tuple[int, ...]:
    state = platform.state
    return tuple(map(len, (state.users, state.databases, state.collections, state.cards, state.dashboards)))


def test_metabase_gets_only_an_account_and_a_database_connection_while_no_mart_is_published(platform: Platform) -> None:
    filled = platform.fill()
    assert filled.made == ["account", "database"]
    assert filled.left_out == ["all cards, because no mart is published yet; next: fds run"]
    assert _counts(platform) == (1, 1, 0, 0, 0)
    details = platform.state.databases[0]["details"]
    assert (details["user"], details["dbname"], details["schema-filters-patterns"]) == (
        "metabase_reader", "marts", "marts",
    )  # fmt: skip


def test_starter_content_is_created_and_the_role_metabase_reader_can_run_each_card(platform: Platform) -> None:
    _ready(platform)
    filled = platform.fill()
    assert (filled.made, filled.left_out, platform.stand_in.refused) == (MADE, [], [])
    assert platform.run_card("Rows in each mart") == [("dim_customers", 3), ("mart_daily_cashflow", 1)]
    assert len(platform.run_card("dim_customers")) == 3
    assert [(str(month)[:10], str(spend)) for month, spend in platform.run_card("Spend by month")] == [
        ("2026-01-01", "7.5")
    ]
    (dashboard,), (collection,) = platform.state.dashboards, platform.state.collections
    assert {card["collection_id"] for card in platform.state.cards} == {collection["id"]}
    assert dashboard["collection_id"] == collection["id"]
    assert [place["card_id"] for place in dashboard["dashcards"]] == [card["id"] for card in platform.state.cards]
    cells = [
        (place["col"] + x, place["row"] + y)
        for place in dashboard["dashcards"]
        for x in range(place["size_x"])
        for y in range(place["size_y"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert platform.state.syncs == [platform.state.databases[0]["id"]]


def test_second_fill_changes_nothing(platform: Platform) -> None:
    _ready(platform)
    platform.fill()
    before = platform.stand_in.changes()
    assert platform.fill().made == []
    assert platform.stand_in.changes() == before
    assert _counts(platform) == (1, 1, 1, 4, 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_next_fill_completes_the_content_without_duplicates_after_a_fault_at_any_write(
    postgres: Running, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    ended = 0
    for skip in range(100):
        with new_platform(postgres, tmp_path) as platform:
            _ready(platform)
            platform.stand_in.fault = Fault(when, skip)
            try:
                platform.fill()
            except UnreachableError as error:
                assert "does not answer" in str(error) and error.exit_code == 5
                ended += 1
            else:
                assert platform.stand_in.fault is not None, "the fault was not reached"
                break
            platform.fill()
            assert platform.fill().made == []
            assert _counts(platform) == (1, 1, 1, 4, 1), f"ended {when} change {skip}"
            assert len(platform.state.dashboards[0]["dashcards"]) == 4
            assert platform.run_card("Rows in each mart")
    assert ended == 10  # writes: account, database, collection, 4 cards, sync, dashboard, positions of its cards


def test_changes_by_a_user_of_metabase_are_kept(platform: Platform) -> None:
    _ready(platform)
    platform.fill()
    state = platform.state
    state.collections[0] |= {"name": "Money", "description": None, "location": "/77/"}
    state.dashboards[0] |= {"name": "Mine", "description": "", "collection_id": None, "dashcards": []}
    state.databases[0] |= {"name": "Warehouse"}
    state.cards[0] |= {"name": "Costs", "description": None, "collection_id": None}
    state.cards[1] |= {"archived": True}
    del state.cards[2]
    own = {"name": "Rows in each mart", "id": 900, "archived": False, "description": "mine"}
    state.cards.append(own)
    before, changes = repr((state.collections, state.dashboards, state.cards)), platform.stand_in.changes()
    assert platform.fill().made == []
    assert repr((state.collections, state.dashboards, state.cards)) == before
    assert platform.stand_in.changes() == changes


def test_new_mart_gets_a_card_and_the_dashboard_is_not_changed(platform: Platform) -> None:
    _ready(platform)
    platform.fill()
    places = list(platform.state.dashboards[0]["dashcards"])
    platform.publish(CASHFLOW, CUSTOMERS, "create table marts.added as select 1 as id")
    assert platform.fill().made == ["card table added"]
    assert platform.run_card("added") == [(1,)]
    assert platform.state.dashboards[0]["dashcards"] == places
    assert len(platform.state.syncs) == 2


@pytest.mark.parametrize("removed", ["collection", "database"])
def test_nothing_is_added_after_a_user_removed_the_collection_or_the_database(platform: Platform, removed: str) -> None:
    _ready(platform)
    platform.fill()
    if removed == "collection":
        platform.state.collections[0]["archived"] = True
    else:
        platform.state.databases.clear()
    changes = platform.stand_in.changes()
    platform.publish(CASHFLOW, CUSTOMERS, "create table marts.added as select 1 as id")
    filled = platform.fill()
    assert (filled.made, platform.stand_in.changes()) == ([], changes)
    assert filled.left_out == [f"all cards, because the {removed} was removed in Metabase"]


def test_new_password_of_the_reader_role_is_sent_to_metabase_and_a_user_s_option_is_kept(platform: Platform) -> None:
    _ready(platform)
    platform.fill()
    platform.state.databases[0]["details"]["json-unfolding"] = True  # an option that a user of Metabase set
    access, known = platform.access(), platform.postgres.context.secrets["metabase_reader_password"]
    with pytest.raises(UnreachableError, match="400"):
        platform.fill(database={**access.database, "password": "not-the-password"})
    try:
        _set_password(platform, "another-1")
        platform.fill(database={**access.database, "password": "another-1"})
        assert len(platform.run_card("dim_customers")) == 3
        assert platform.state.databases[0]["details"]["json-unfolding"] is True
    finally:
        _set_password(platform, known)


def _set_password(platform: Platform, password: str) -> None:
    with login(platform.postgres, "postgres", "postgres") as superuser:
        superuser.execute(f"ALTER ROLE metabase_reader PASSWORD '{password}'".encode())


def test_admin_password_changed_only_in_metabase_is_reported_in_one_line_and_nothing_is_written(
    platform: Platform,
) -> None:
    _ready(platform)
    platform.fill()
    changes = platform.stand_in.changes()
    platform.state.users["admin@metabase.internal"] = "changed-1"
    with pytest.raises(UnreachableError, match=r"refuses the password .*secrets\.metabase_admin_password") as raised:
        platform.fill()
    assert "\n" not in str(raised.value) and platform.stand_in.changes() == changes


def test_metabase_is_filled_only_after_it_has_started(platform: Platform) -> None:
    platform.stand_in.starting = True
    with pytest.raises(UnreachableError, match="503"):
        platform.fill()
    platform.stand_in.starting = False
    assert platform.fill().made == ["account", "database"]


def test_new_metabase_is_filled_although_postgresql_records_objects_of_a_former_metabase(
    postgres: Running, tmp_path: Path
) -> None:
    with new_platform(postgres, tmp_path) as first:
        _ready(first)
        first.fill()
        with new_platform(postgres, tmp_path) as second:
            with open_ledger(server_of(postgres)) as ledger:
                ledger.record("collection", 1)  # an entry of the former Metabase
            _ready(second)
            assert second.fill().made == MADE


def test_second_simultaneous_fill_is_refused(platform: Platform) -> None:
    with open_ledger(server_of(platform.postgres)), pytest.raises(LockedError, match="being filled"):
        platform.fill()


def test_lost_connection_to_postgresql_ends_the_fill_with_a_message(platform: Platform) -> None:
    server = server_of(platform.postgres)
    with (
        pytest.raises(UnreachableError, match=r"PostgreSQL cannot record Metabase's objects: .*terminat"),
        open_ledger(server) as ledger,
    ):
        with server.connect("test", autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fds metabase'"
            )
        ledger.find("account")


def test_invalid_charts_are_left_out_with_a_reason(platform: Platform) -> None:
    _ready(platform)
    bad = [
        {**SPEND, "name": "Syntax", "sql": "select from where"},
        {**SPEND, "name": "Column", "y": ["income"]},
        {**SPEND, "name": "Writes", "sql": "select 1) as a; delete from marts.dim_customers; select * from (select 1"},
        {**SPEND, "name": "Braces", "sql": "select '{{x}}' as month, 1 as spend"},
        {**SPEND, "name": "Display", "display": "hologram"},
        {**SPEND, "name": "Axis", "x": "month"},
        {**SPEND, "name": "  "},
        "not a mapping",
        SPEND,
    ]
    platform.declare({"mart_daily_cashflow": bad, "of_no_mart": [SPEND]})
    filled = platform.fill()
    assert [name for name in filled.made if "chart" in name] == ["card chart mart_daily_cashflow Spend by month"]
    assert len(filled.left_out) == 8 and all(line.count("\n") == 0 for line in filled.left_out)
    text = " ".join(filled.left_out)
    for reason in ("syntax error", "no column income", "multiple commands", "Metabase would replace", "needs a display",
                   "must be a list of columns", "has no name", "not a mapping"):  # fmt: skip
        assert reason in text
    assert len(platform.run_card("dim_customers")) == 3


def test_mart_names_are_quoted_and_a_mart_with_braces_in_its_name_is_left_out(platform: Platform) -> None:
    odd = ('a"b; drop table marts.x', "{{braces}}", "Größe ✓")
    platform.publish(*('create table marts."{}" as select 1 as id'.format(name.replace('"', '""')) for name in odd))
    filled = platform.fill()
    assert [line for line in filled.left_out if "braces" in line] == filled.left_out
    assert platform.run_card(odd[0]) == platform.run_card(odd[2]) == [(1,)]
    assert [count for _, count in platform.run_card("Rows in each mart")] == [1, 1, 1]
    assert platform.fill().made == []
