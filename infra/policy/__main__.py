"""The policy pack: `pulumi up --policy-pack infra/policy`. Mandatory: what it refuses is not deployed.

The budget is judged twice. As each resource is about to be made, on all that came so far: so nothing over budget
is made even without a preview. And on the whole stack at the end.
"""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.policy import hygiene
from infra.policy.pack import Budget, publishers
from infra.policy.resources import Resource, plain

_budget = Budget()


def _resource(args: ResourceValidationArgs) -> Resource:
    return Resource(args.resource_type, args.name, plain(args.props, UnknownValueError), args.provider is not None)


def _grows(args: ResourceValidationArgs, report: ReportViolation) -> None:
    found = _budget.with_one_more(args.urn, _resource(args))
    if found:
        report(found, None)


def _whole(args: StackValidationArgs, report: ReportViolation) -> None:
    resources = [
        Resource(one.resource_type, one.name, plain(one.props, UnknownValueError), one.provider is not None)
        for one in args.resources
    ]
    found = _budget.problem(resources)
    if found:
        report(found, None)


def _clean(args: ResourceValidationArgs, report: ReportViolation) -> None:
    for found in hygiene.problems(_resource(args), publishers()):
        report(found, None)


PolicyPack(
    name="freelancer-data-stack",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(
            name="budget-as-it-grows",
            description="No resource is made that takes the stack, or its budget group, over the budget.",
            validate=_grows,
        ),
        StackValidationPolicy(
            name="budget",
            description="What is in the stack and in its budget group costs no more than the budget, and fits.",
            validate=_whole,
        ),
        ResourceValidationPolicy(
            name="hygiene",
            description="Limits on every container, fixed tags, no Docker socket, only the proxy publishes ports.",
            validate=_clean,
        ),
    ],
)
