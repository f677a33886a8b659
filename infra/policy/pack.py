"""Provide the checks that the policies call. Settings and prices are cached during a deployment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache

from infra import stack_file
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning_inputs import PlanningInputs, today
from infra.engine.environment import deployed_project
from infra.hosts import host_of, take_configuration
from infra.policy import hygiene
from infra.policy.pricing import is_free, problem
from infra.policy.publishing import image_problem, publishers_of
from infra.policy.resources import CONTAINER, Resource
from infra.settings import Settings
from stack_runtime.errors import StackError, UsageError
from stack_runtime.paths import PROJECT


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that Pulumi passes in `PULUMI_CONFIG`: those of the checked stack.

    Raises:
        UsageError: a setting is invalid, or the program belongs to another project and its configuration has no
            settings of this one. A data stack in such a program has its settings in the program, which the pack does
            not see.
    """
    configuration = json.loads(environment.get("PULUMI_CONFIG") or "{}")
    program = environment.get("PULUMI_PROJECT", PROJECT)
    if program != PROJECT and not any(key.startswith(f"{PROJECT}:") for key in configuration):
        raise UsageError(
            f"this policy pack checks only the program of {PROJECT}, not the program of {program}",
            next_command="leave out --policy-pack: each DataStack checks its own plan before it registers resources",
        )
    return stack_file.settings_of(environment.get("PULUMI_STACK", ""), configuration)


@cache
def _settings() -> Settings:
    settings = settings_of(os.environ)
    take_configuration(settings.stack, json.loads(os.environ.get("PULUMI_CONFIG") or "{}"))
    return settings


@cache
def _inputs(rented: bool) -> RentalInputs | None:
    """Fetch prices, exchange rate and the other stacks of the budget group; return None if no prices are needed.

    Args:
        rented: whether the stack has resources that cost something; they need the price list, whatever the host is.
    """
    return PlanningInputs.of(_settings(), today(), project=deployed_project(), deploying=True, rented=rented).inputs


def unclean(resource: Resource) -> list[str]:
    """Return the hygiene problems of a resource. If the settings cannot be read, every resource has a problem."""
    try:
        return list(hygiene.problems(resource, _settings()))
    except StackError as error:
        return [str(error)]


def unlike_the_proxy(resources: Sequence[Resource]) -> str:
    """Return which container publishes ports without running the proxy's image, or an empty text."""
    try:
        return image_problem(resources, publishers_of(_settings()))
    except StackError as error:
        return str(error)


class Budget:
    """Check of one deployment against the budget: each resource is checked together with the earlier resources."""

    def __init__(self) -> None:
        self._seen: dict[str, Resource] = {}

    def with_one_more(self, urn: str, resource: Resource) -> str:
        """Return why `resource` may not be added to the earlier resources, or an empty text."""
        self._seen[urn] = resource
        if resource.package == "docker" and resource.kind != CONTAINER:
            return ""  # the resource costs nothing and takes no capacity; the whole stack is checked again at the end
        return self.problem(list(self._seen.values()))

    def problem(self, resources: Sequence[Resource]) -> str:
        """Return why these resources may not be deployed (such as missing prices), or an empty text."""
        try:
            settings = _settings()
            rented = [one for one in resources if one.package != "docker" and not is_free(one)]
            if host_of(settings).on_this_machine and not rented:
                return ""
            inputs = _inputs(bool(rented))
            return problem(settings, resources, inputs) if inputs else "no prices are known"
        except StackError as error:
            return str(error)
