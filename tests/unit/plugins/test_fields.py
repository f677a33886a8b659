"""Test how stand-in providers check, compare, preview, refresh and import a resource by the fields of its type."""

from __future__ import annotations

from typing import Any

import pytest

from fds_offline.plugins.fields import DEFAULTS, Field, changes, checked, missing, planned, refreshed
from fds_offline.plugins.values import UNKNOWN

FIELDS = {
    "name": Field("string", auto_name=True, replace=True),
    "image": Field("string", required=True, replace=True),
    "memory": Field("int", minimum=0),
    "restart": Field("string", default="no", pattern="^(no|always)$"),
    "command": Field("list", computed=True, replace=True),
    "envs": Field("set", replace=True),
    "labels": Field("map"),
    "ports": Field(
        "list", {"internal": Field("int", required=True), "ip": Field("string", default="::")}, replace=True
    ),
    "check": Field("object", {"retries": Field("int", default=0)}),
    "init": Field("bool"),
    "status": Field("string", output=True),
    **missing("gpus"),
}


def check(**news: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    return checked(FIELDS, news, {}, "web", b"seed")


def failures(**news: Any) -> dict[str, str]:
    return dict(check(image="i", **news)[1])


def test_missing_inputs_get_their_defaults_and_a_missing_name_is_generated() -> None:
    inputs, failed = check(image="i")
    assert not failed
    assert inputs["restart"] == "no"
    assert inputs["name"].startswith("web-")
    assert len(inputs["name"]) == len("web-") + 7
    assert inputs[DEFAULTS] == ["name", "restart"]


def test_name_from_the_program_is_used_and_a_generated_name_is_kept_if_the_program_sets_none() -> None:
    assert check(image="i", name="db")[0]["name"] == "db"
    kept, _ = checked(FIELDS, {"image": "i"}, {"name": "web-1", DEFAULTS: ["name"]}, "web", b"other")
    assert kept["name"] == "web-1"
    fresh, _ = checked(FIELDS, {"image": "i"}, {"name": "db", DEFAULTS: []}, "web", b"seed")
    assert fresh["name"] != "db"


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        ({"colour": "red"}, "colour", "no input of this name"),
        ({"status": "up"}, "status", "no input of this name"),
        ({"gpus": "all"}, "gpus", "does not implement"),
        ({"memory": "much"}, "memory", "must be of type int"),
        ({"memory": 1.5}, "memory", "must be of type int"),
        ({"memory": True}, "memory", "must be of type int"),
        ({"memory": -1}, "memory", "at least 0"),
        ({"restart": "sometimes"}, "restart", "must match"),
        ({"envs": "A=1"}, "envs", "must be a list"),
        ({"labels": ["a"]}, "labels", "must be an object"),
        ({"ports": [{"ip": "::1"}]}, "ports[0].internal", "is required"),
        ({"ports": [{"internal": 1, "extra": 2}]}, "ports[0].extra", "no input of this name"),
        ({"name": ["a"]}, "name", "must be of type string"),
        ({"init": ["a"]}, "init", "must be of type bool"),
    ],
)
def test_invalid_input_is_refused_with_path_and_reason(given: dict[str, Any], path: str, reason: str) -> None:
    assert reason in failures(**given)[path]


def test_missing_required_input_is_refused() -> None:
    assert ("image", "is required") in check()[1]


def test_numbers_and_strings_are_converted_to_the_declared_type() -> None:
    inputs, failed = check(image=5, memory="64", ports=[{"internal": "80"}])
    assert not failed
    assert (inputs["image"], inputs["memory"], inputs["ports"]) == ("5", 64, [{"internal": 80, "ip": "::"}])


def test_input_values_that_a_preview_does_not_know_are_accepted() -> None:
    inputs, failed = check(image=UNKNOWN, memory=UNKNOWN, envs=[UNKNOWN])
    assert not failed
    assert inputs["envs"] == [UNKNOWN]


@pytest.mark.parametrize(
    ("state", "inputs", "expected"),
    [
        ({"memory": 1}, {"memory": 1}, {}),
        ({"memory": 1}, {"memory": 2}, {"memory": False}),
        ({"memory": 0}, {}, {}),
        ({"memory": 64}, {}, {"memory": False}),
        ({"image": "a"}, {"image": "b"}, {"image": True}),
        ({"image": "a"}, {"image": UNKNOWN}, {"image": True}),
        ({"command": ["a"]}, {}, {}),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}, {"command": True}),
        ({"envs": ["a", "b"]}, {"envs": ["b", "a"]}, {}),
        ({"envs": ["a", "a"]}, {"envs": ["a", "b"]}, {"envs": True}),
        ({"labels": {"a": "1"}}, {"labels": {"a": "2"}}, {"labels": False}),
        ({"labels": {}}, {}, {}),
        ({"ports": [{"internal": 1, "ip": "::"}]}, {"ports": [{"internal": 1, "ip": "::"}]}, {}),
        ({"check": {"retries": 1}}, {"check": {"retries": 2}}, {"check": False}),
        ({"status": "up"}, {}, {}),
    ],
)
def test_each_changed_input_is_marked_as_replacement_or_update(
    state: dict[str, Any], inputs: dict[str, Any], expected: dict[str, bool]
) -> None:
    assert changes(FIELDS, state, inputs, []) == expected


def test_changed_input_in_ignore_changes_is_not_a_difference() -> None:
    assert changes(FIELDS, {"memory": 1, "image": "a"}, {"memory": 2, "image": "b"}, ["memory", "image[0]"]) == {}


def test_preview_keeps_the_given_inputs_and_an_output_is_unknown_if_there_is_no_state() -> None:
    plan = planned(FIELDS, {"image": "i"})
    assert plan["image"] == "i"
    assert plan["status"] is UNKNOWN
    assert plan["command"] is UNKNOWN
    assert "memory" not in plan
    assert planned(FIELDS, {"image": "i"}, {"status": "up"})["status"] == "up"


def test_refresh_records_actual_values_only_of_inputs_that_the_program_sets() -> None:
    inputs = {"image": "i", "memory": 1, "envs": ["a", "b"], DEFAULTS: ["name"]}
    state = {"image": "i", "memory": 2, "envs": ["b", "a"], "status": "up", "labels": {"x": "y"}}
    assert refreshed(FIELDS, inputs, state) == {**inputs, "memory": 2}


def test_import_records_every_input_whose_value_is_not_empty_or_zero() -> None:
    assert refreshed(FIELDS, {}, {"image": "i", "memory": 0, "status": "up"}) == {"image": "i", DEFAULTS: []}
