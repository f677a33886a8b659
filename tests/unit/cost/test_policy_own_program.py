"""Test that the policy pack accepts every resource that this project's program registers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from infra.cost.sources.saved import SHIPPED
from infra.policy.hygiene import problems
from infra.policy.pricing import problem
from infra.policy.publishing import image_problem, publishers_of
from infra.policy.resources import CONTAINER, Resource
from infra.settings import Settings
from tests.kit.registered import registered
from tests.unit.cost.test_policy import INPUTS

HOSTS: dict[str, dict[str, Any]] = {
    "local": {"host": "local"},
    "hetzner": {
        "host": "hetzner",
        "fxRate": "1.1637",
        "fxDate": "2026-10-07",
        "allowSnapshot": True,
        "sshFrom": ["192.0.2.0/24"],
        "domain": "example.test",
        "email": "me@example.test",
        "dnsZone": "example.test",
        "budgetUsd": "200",
    },
}
CASES = [(host, profile) for host in HOSTS for profile in ("lean", "full")]


@cache
def program(host: str, profile: str) -> tuple[Settings, list[Resource], list[Resource]]:
    """Return the settings, and the registered resources twice: with their inputs, and with their outputs."""
    values = {**HOSTS[host], "profiles": [profile]}
    found = registered(values, FDS_PRICES_DIR=str(SHIPPED))
    inputs = [Resource(each.kind, each.name, each.inputs, each.custom) for each in found]
    outputs = [Resource(each.kind, each.name, each.outputs, each.custom) for each in found]
    return Settings.of("prod", values), inputs, outputs


@pytest.mark.parametrize(("host", "profile"), CASES)
def test_every_resource_of_the_program_passes_the_rules(host: str, profile: str) -> None:
    settings, inputs, _ = program(host, profile)
    assert len([each for each in inputs if each.kind == CONTAINER]) >= 5
    assert [each for resource in inputs for each in problems(resource, settings)] == []


@pytest.mark.parametrize(("host", "profile"), CASES)
def test_only_containers_with_the_image_of_the_proxy_publish_ports(host: str, profile: str) -> None:
    settings, _, outputs = program(host, profile)
    assert image_problem(outputs, publishers_of(settings)) == ""
    assert image_problem(outputs, ()) != "", "expected a container that publishes ports"


@pytest.mark.parametrize("profile", ["lean", "full"])
def test_stack_is_within_budget_and_capacity_after_each_registered_resource(profile: str) -> None:
    settings, inputs, outputs = program("hetzner", profile)
    for count in range(1, len(inputs) + 1):
        assert problem(settings, inputs[:count], INPUTS) == ""
    assert problem(settings, outputs, INPUTS) == ""


@pytest.mark.parametrize("host", HOSTS)
def test_docker_provider_takes_no_context_or_certificate_path_from_the_environment(host: str) -> None:
    _, inputs, _ = program(host, "lean")
    provider = next(each for each in inputs if each.kind == "pulumi:providers:docker")
    assert provider.props["context"] == provider.props["certPath"] == ""
