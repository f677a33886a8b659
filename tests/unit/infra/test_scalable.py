"""Test that `fds scale`, `ScalingRequest`, the form of the dashboard and the docs offer the same settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.changes.request import ScalingRequest
from data_stack.streamlit import request_form
from fds import main
from infra.cost.planning import scaling
from infra.scalable import KEYS, SCALABLE, scalable
from infra.settings import Scale, ServiceOverride, Settings
from stack_runtime.errors import UsageError
from tests.kit.project import ROOT
from tests.unit.cost import kit

VALUES: dict[str, Any] = {
    "memory.SERVICE": 640, "cpu.SERVICE": 0.5, "profiles": ["lean", "queue"], "serverType": "cpx32", "location": "nbg1",
    "backups": True, "volumeGb": 20, "workers": 2, "schedule": "daily",
}  # fmt: skip
"""A valid value for each key that can be scaled, in the form of the stack file."""


def test_every_scalable_setting_has_a_test_value() -> None:
    assert [one.key for one in SCALABLE] == [*VALUES]


@pytest.mark.parametrize("key", VALUES)
def test_key_value_pair_changes_the_setting_of_the_key(key: str) -> None:
    setting = next(one for one in SCALABLE if one.key == key)
    spelled = key.replace("SERVICE", "postgres")
    assert scalable(spelled) == setting
    before = kit.settings()
    changes = scaling.parse([f"{spelled}={setting.format(VALUES[key])}"], before)
    after = scaling.changed(before, changes)
    changed = after.services["postgres"] if setting.per_service else after
    value = getattr(changed, setting.name)
    assert (list(value) if isinstance(value, tuple) else value) == VALUES[key]


@pytest.mark.parametrize("key", VALUES)
def test_setting_in_a_scaling_request_becomes_a_pair_of_key_and_value(key: str) -> None:
    setting = next(one for one in SCALABLE if one.key == key)
    value = {"postgres": VALUES[key]} if setting.per_service else VALUES[key]
    request = ScalingRequest.model_validate({"reason": "x", setting.name: value})
    assert request.pairs() == [f"{key.replace('SERVICE', 'postgres')}={setting.format(VALUES[key])}"]


def test_fields_of_a_scaling_request_are_reason_days_and_the_scalable_settings() -> None:
    assert ScalingRequest.model_fields.keys() == {"reason", "days", *(one.name for one in SCALABLE)}


WRONG = [
    ("workers", 65), ("workers", 0), ("volume_gb", 9), ("memory_mb", {"a": 15}), ("cpu", {"a": 65.0}),
    ("server_type", "A"), ("schedule", "yearly"), ("memory_mb", {f"s{n}": 64 for n in range(21)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_scaling_request_refuses_invalid_values_and_more_than_20_services(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=name):
        ScalingRequest.model_validate({"reason": "x", name: wrong})


def test_command_line_help_names_every_key() -> None:
    main._register()
    shown = CliRunner().invoke(main.app, ["scale", "--help"], env={"COLUMNS": "400"}).output
    assert [one.key for one in SCALABLE if f"{one.key}: {one.label}" not in shown] == []


def test_list_of_scalable_keys_has_memory_and_cpu_without_the_name_of_a_service() -> None:
    assert list(KEYS) == [one.key.partition(".")[0] for one in SCALABLE]


def test_dashboard_form_has_a_field_for_every_property_of_the_scaling_request() -> None:
    shown = request_form.ordered(ScalingRequest.model_json_schema())
    assert shown[0][0] == "reason" and {name for name, _ in shown} == ScalingRequest.model_fields.keys()
    assert {described["title"] for _, described in shown} >= {one.label for one in SCALABLE}


def test_docs_list_each_scalable_setting_with_its_help() -> None:
    rows = [f"| `{one.key}` | {one.label} | {one.help} |" for one in SCALABLE]
    assert "\n".join(rows) in (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")


def test_settings_about_money_or_identity_and_invalid_keys_cannot_be_scaled() -> None:
    marked = {one.name for one in SCALABLE}
    assert not marked & {"stack", "host", "budget_usd", "budget_group", "tax", "fx_rate", "server_price", "domain"}
    for key in (
        "budgetUsd",
        "host",
        "serverPrice",
        "memory",
        "memory.",
        "workers.postgres",
        "memoryMb",
        "volume_gb",
        "",
    ):
        with pytest.raises(UsageError):
            scaling.parse([f"{key}=1"], kit.settings())


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("profiles=,", "profiles is a list such as lean,bi, not ','"),
        ("volumeGb=1e3", "volumeGb is a whole number, not '1e3'"),
        ("memory.postgres=512MB", "memory.postgres is a whole number, not '512MB'"),
    ],
)
def test_error_about_a_refused_value_names_the_valid_form_and_the_help_command(pair: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        scaling.parse([pair], kit.settings())
    assert (refused.value.what, refused.value.next_command) == (says, "fds scale --help")


@given(st.sampled_from(SCALABLE), st.text(max_size=20))
def test_text_is_refused_or_gives_a_value_that_is_equal_after_formatting_and_parsing(setting: Any, text: str) -> None:
    try:
        value = setting.parse(text)
    except ValueError as error:
        assert str(error).startswith("is ")
    else:
        assert setting.parse(setting.format(value)) == value


def test_number_of_scalable_settings_equals_the_number_of_fields_marked_with_scale() -> None:
    marks = [
        one
        for model in (Settings, ServiceOverride)
        for field in model.model_fields.values()
        for one in field.metadata
        if isinstance(one, Scale)
    ]
    assert len(marks) == len(SCALABLE)
