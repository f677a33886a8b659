"""Test differences between plans, changes given as KEY=VALUE, refused changes, alternatives, saved prices, the exchange
rate, and the stacks of a budget group.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.cost import Deployed
from infra.cost.planning import alternatives, scaling
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning_inputs import PlanningInputs, paid_stacks
from infra.cost.reports.diff import diff
from infra.cost.sources import rate, saved
from stack_runtime.errors import RefusedError, StackError, UnknownError, UsageError
from tests.unit.cost import kit


def test_difference_of_two_plans_lists_each_changed_line() -> None:
    before = kit.planned(kit.settings(serverType="cpx22"))
    after = diff(before, kit.planned(kit.settings(serverType="cpx32", backups=True)))
    assert [(c.resource, str(c.added_usd)) for c in after.changes] == [
        ("server cpx32 in fsn1", "22.16"),
        ("backups", "9.83"),
    ]
    assert before.total_usd is not None and after.total_usd is not None
    assert sum(change.added_usd for change in after.changes) == after.total_usd - before.total_usd
    assert any("lower price of the existing server is lost" in warning for warning in after.warnings)


def test_replacing_a_server_costs_a_second_server_for_one_day() -> None:
    after = diff(
        kit.planned(kit.settings(serverType="cpx22")), kit.planned(kit.settings(serverType="cpx22", location="hel1"))
    )
    once = [change for change in after.changes if change.once]
    # The provider's hourly price is the monthly price divided by the hours of 26 days. So one day of server and IPv4
    # address costs (26.99 + 0.70) / 26, rounded up to a cent.
    assert [str(change.added_usd) for change in once] == ["1.07"]


def test_difference_of_two_plans_warns_of_a_larger_volume_and_is_empty_if_they_are_equal() -> None:
    before = kit.planned()
    assert diff(before, kit.planned()).changes == ()
    assert any(
        "cannot be made smaller again" in w for w in diff(before, kit.planned(kit.settings(volumeGb=20))).warnings
    )


def test_difference_of_two_plans_has_a_warning_and_no_changes_if_a_total_is_unknown() -> None:
    after = diff(kit.planned(kit.settings(location="mars1")), kit.planned())
    assert after.changes == () and any("unknown" in warning for warning in after.warnings)


@pytest.mark.parametrize(
    ("pairs", "changes"),
    [
        (["workers=3"], {"workers": 3}),
        (["memory.redis=128"], {"services": {"postgres": {"memoryMb": 200}, "redis": {"memoryMb": 128}}}),
        (["memory.postgres=300"], {"services": {"postgres": {"memoryMb": 300}}}),
        (["cpu.postgres=0.5", "memory.postgres=300"], {"services": {"postgres": {"memoryMb": 300, "cpu": 0.5}}}),
        (["schedule=hourly"], {"schedule": "hourly"}),
        (["volumeGb=20", "backups=true"], {"volumeGb": 20, "backups": True}),
        (["profiles=lean,bi"], {"profiles": ["lean", "bi"]}),
        (["serverType=cpx32", "location=auto"], {"serverType": "cpx32", "location": "auto"}),
    ],
)
def test_key_value_pairs_are_parsed_as_settings(pairs: list[str], changes: dict[str, Any]) -> None:
    own = kit.settings(services={"postgres": {"memoryMb": 200}})
    assert scaling.parse(pairs, own) == changes
    scaling.changed(own, changes)


@pytest.mark.parametrize(
    "pairs",
    [
        [], ["workers"], ["workers="], ["=3"], ["workers=two"], ["workers=-1"], ["workers=1.5"], ["workers=0"],
        ["workers=1", "workers=2"], ["budgetUsd=99"], ["budget_usd=99"], ["budgetGroup=x"], ["tax=net"],
        ["fxRate=0.5"], ["allowSnapshot=true"], ["trafficTb=0"], ["stack=dev"], ["host=local"], ["backups=yes"],
        ["volumeGb=5"], ["memory.redis=9999999999"], ["memory.redis=1"], ["memory.=64"], ["serverType=../x"],
        ["workers=٣"], ["profiles=LEAN"], ["cpu.redis=0"], ["cpu.redis=-1"], ["cpu.redis=nan"], ["cpu.redis=1e3"],
        ["cpu.=1"], ["schedule=minutely"], ["memory"], ["cpu=1"],
    ],
)  # fmt: skip
def test_invalid_key_value_pair_is_a_usage_error(pairs: list[str]) -> None:
    own = kit.settings()
    with pytest.raises(UsageError) as caught:
        scaling.changed(own, scaling.parse(pairs, own))
    assert caught.value.exit_code == 2


def test_shrinking_a_volume_or_server_disk_is_refused_unless_the_deployed_one_is_small_enough() -> None:
    large, small = kit.settings(volumeGb=50), kit.settings(volumeGb=20)
    plan = kit.planned(small)
    for deployed in (None, Deployed(volume_gb=50), Deployed(volume_gb=21)):
        with pytest.raises(RefusedError, match="cannot shrink"):
            scaling.refuse_harm(large, small, plan, deployed)
    scaling.refuse_harm(large, small, plan, Deployed())
    scaling.refuse_harm(large, small, plan, Deployed(volume_gb=20))
    down = kit.planned(kit.settings(serverType="cpx12"))
    with pytest.raises(RefusedError, match="disk of 80 GB"):
        scaling.refuse_harm(small, small, down, Deployed("cpx22", "fsn1", 20, 80))
    scaling.refuse_harm(small, small, down, Deployed("cpx22", "fsn1", 20, 40))


@pytest.mark.parametrize(
    "deployed", [Deployed("cpx22", "fsn1", 10, 80, "x86", "fsn1"), Deployed(volume_gb=10, volume_location="fsn1")]
)
def test_moving_a_deployed_server_or_volume_to_another_location_is_refused(deployed: Deployed) -> None:
    here, there = kit.settings(serverType="cpx22"), kit.settings(serverType="cpx22", location="hel1")
    with pytest.raises(RefusedError, match=r"in fsn1 and cannot move to hel1.*next: fds scale location=fsn1"):
        scaling.refuse_harm(here, there, kit.planned(there), deployed)
    scaling.refuse_harm(here, here, kit.planned(here), deployed)
    scaling.refuse_harm(here, there, kit.planned(there), Deployed())


def test_change_of_a_deployed_server_to_another_architecture_is_refused() -> None:
    own, arm = kit.settings(serverType="cpx22"), kit.settings(serverType="cax21")
    plan = kit.planned(arm)
    assert plan.server is not None and plan.server.architecture == "arm"
    with pytest.raises(RefusedError, match="is x86 and cannot become cax21, which is arm"):
        scaling.refuse_harm(own, arm, plan, Deployed("cpx22", "fsn1", 10, 40, "x86", "fsn1"))
    scaling.refuse_harm(own, arm, plan, Deployed("cax11", "fsn1", 10, 40, "arm", "fsn1"))


@pytest.mark.parametrize(
    ("deployed", "moves"), [(Deployed("cpx22", "fsn1", 10, 80, "x86", "fsn1"), False), (Deployed(), True), (None, True)]
)
def test_alternatives_include_another_location_only_if_no_server_is_known_to_be_deployed(
    deployed: Deployed | None, moves: bool
) -> None:
    own = kit.settings(serverType="cpx22", backups=True)
    inputs = RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY, deployed=deployed)
    ideas = list(alternatives._ideas(own, (kit.service(),), inputs))
    assert any("location" in idea.settings for idea in ideas) is moves
    assert any("serverType" in idea.settings for idea in ideas)


def _write_price_files(path: Path, **files: Any) -> Path:
    path.mkdir(exist_ok=True)
    defaults = {"pricing": kit.PRICING, "server_types": {"server_types": kit.SERVER_TYPES}}
    for name, content in (defaults | files).items():
        (path / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_saved_prices_have_the_stated_date_or_else_the_modification_time_of_the_file(tmp_path: Path) -> None:
    folder = _write_price_files(tmp_path)
    os.utime(folder / "pricing.json", (0, 1_700_000_000))
    by_time = saved.read(folder)
    assert by_time.date == date(2023, 11, 14) and "no date" in by_time.warnings[-1]
    assert saved.read(folder, day=date(2026, 1, 1)).date == date(2026, 1, 1)
    origin = {"prices": {"date": "2026-02-03", "source": "by hand"}}
    assert saved.read(_write_price_files(tmp_path, source=origin)).date == date(2026, 2, 3)


@pytest.mark.parametrize(
    "files",
    [
        {"pricing": "{"}, {"pricing": ""}, {"pricing": "[" * 100_000}, {"server_types": "[]"}, {"server_types": {}},
        {"source": {"prices": {"date": "soon", "source": "x"}}}, {"source": {}},
        {"server_types": {"server_types": kit.SERVER_TYPES, "meta": {"pagination": {"next_page": 2}}}},
        {"server_types": {"server_types": kit.SERVER_TYPES, "meta": {"pagination": {"total_entries": 99}}}},
    ],
)  # fmt: skip
def test_prices_are_unknown_if_a_saved_file_is_invalid(tmp_path: Path, files: dict[str, Any]) -> None:
    with pytest.raises(UnknownError):
        saved.read(_write_price_files(tmp_path, **files))


def _dearer_first(text: str, name: str) -> str:
    """Return the document with the first member `name` twice: first with the value "99.00", then unchanged."""
    start = text.index(f'"{name}"')
    _, end = json.JSONDecoder().raw_decode(text, text.index(":", start) + 2)
    return f'{text[:start]}"{name}": "99.00", {text[start:end]}{text[end:]}'


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("pricing", "currency"), ("pricing", "net"), ("pricing", "gross"), ("pricing", "percentage"),
        ("pricing", "vat_rate"), ("pricing", "volume"), ("pricing", "location"), ("pricing", "pricing"),
        ("server_types", "server_types"), ("server_types", "price_monthly"), ("server_types", "memory"),
        ("server_types", "available"), ("server_types", "description"), ("source", "date"),
    ],
)  # fmt: skip
def test_prices_are_unknown_if_a_saved_file_has_a_duplicate_key(tmp_path: Path, file: str, name: str) -> None:
    documents = {"pricing": kit.PRICING, "server_types": {"server_types": kit.SERVER_TYPES}}
    documents["source"] = {"prices": {"date": "2026-02-03", "source": "by hand"}}
    text = json.dumps(documents[file])
    assert saved.read(_write_price_files(tmp_path, **documents | {file: text})).date == date(2026, 2, 3)
    twice = _dearer_first(text, name)
    assert json.loads(twice) == documents[file], "Python's parser keeps the last member of the same name"
    with pytest.raises(UnknownError, match=f"{file}.json has '{name}' twice"):
        saved.read(_write_price_files(tmp_path, **documents | {file: twice}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, "is not JSON"),
        (lambda text: text.decode().encode("utf-16"), "is not JSON"),
        (lambda text: text + b"{}", "is not JSON"),
        (lambda text: text + b"\0", "is not JSON"),
        (lambda text: b'{"NaN": NaN, ' + text[1:], "has the number NaN"),
        (lambda text: b'{"more": [-Infinity], ' + text[1:], "has the number -Infinity"),
        (lambda text: b'{"more": 1' + b"0" * 5000 + b", " + text[1:], "is not JSON"),
        (lambda text: text + b" " * 2**22, "is larger than 4 MiB"),
    ],
)
@pytest.mark.parametrize("file", ["pricing", "server_types"])
def test_prices_are_unknown_if_a_saved_file_is_not_strict_json_or_is_too_large(
    tmp_path: Path, file: str, change: Callable[[bytes], bytes], says: str
) -> None:
    path = _write_price_files(tmp_path) / f"{file}.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UnknownError, match=f"{file}.json {says}"):
        saved.read(tmp_path)


def test_missing_folder_of_saved_prices_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no pricing\.json"):
        saved.read(tmp_path / "none")


def test_exchange_rate_in_the_settings_is_used_else_the_newest_valid_saved_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    today = date(2026, 11, 24)
    assert rate.find(kit.settings(), today, ask=False) == rate.shipped()
    own = kit.settings(fxRate="1.2", fxDate="2026-11-01")
    assert rate.find(own, today, ask=False).rate == Decimal("1.2")
    cache = tmp_path / "ecb-rate.json"
    cache.write_text('{"rate": "1.1111", "date": "2026-11-20"}')
    assert rate.find(kit.settings(), today, ask=False).rate == Decimal("1.1111")
    for nonsense in (
        "{", "[]", '{"rate": "0.0001", "date": "2026-11-20"}', '{"rate": "NaN", "date": "2026-11-20"}',
        '{"rate": "1.1", "date": "2026-99-99"}', '{"rate": "1.1", "date": "2027-01-01"}', '{"rate": 1.1}',
    ):  # fmt: skip
        cache.write_text(nonsense)
        assert rate.find(kit.settings(), today, ask=False) == rate.shipped()


def write_stack_files(path: Path, **stacks: str) -> Path:
    (path / "Pulumi.yaml").write_text("name: freelancer-data-stack\n")
    for name, config in stacks.items():
        lines = "".join(f"  freelancer-data-stack:{line}\n" for line in config.split("; "))
        (path / f"Pulumi.{name}.yaml").write_text(f"config:\n{lines}")
    return path


def test_paid_stacks_are_all_other_stacks_that_do_not_run_on_this_machine(tmp_path: Path) -> None:
    project = write_stack_files(
        tmp_path, prod="host: hetzner", staging="host: hetzner", dev="host: local",
        lab="host: hetzner; budgetGroup: lab",
    )  # fmt: skip
    assert [other.stack for other in paid_stacks(project, "prod")] == ["lab", "staging"]
    write_stack_files(tmp_path, staging="host: mars")
    with pytest.raises(StackError):
        paid_stacks(project, "prod")


def test_plan_counts_the_budget_group_and_is_unknown_at_old_prices_unless_they_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HCLOUD_TOKEN", "FDS_PRICES_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    project = write_stack_files(tmp_path, prod="host: hetzner", staging="host: hetzner; serverType: cpx42")
    own = kit.settings(fxRate="1.1637", fxDate="2026-11-20")
    later = date(2026, 11, 24)
    assert PlanningInputs.of(own, later, project=project).plan(own).verdict == "unknown"
    found = PlanningInputs.of(own, later, project=project, allow_snapshot=True).plan(own)
    assert found.verdict == "over"
    staging = next(line for line in found.lines if line.resource == "stack staging")
    assert staging.monthly_usd == Decimal("97.73")
