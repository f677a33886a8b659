"""Define the policy pack for `pulumi up --policy-pack infra/policy`. A violation of any policy stops the deployment.

The budget is checked before each resource is created, with the resources so far, so that nothing over budget is
created even without a preview. At the end, it is checked once more with the whole stack.
"""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.policy.pack import Budget, unclean, unlike_the_proxy
from infra.policy.resources import Resource, plain

_budget = Budget()


def _resource(args: ResourceValidationArgs | PolicyResource) -> Resource:
    return Resource(args.resource_type, args.name, plain(args.props, UnknownValueError), args.provider is not None)


def _grows(args: ResourceValidationArgs, report: ReportViolation) -> None:
    found = _budget.with_one_more(args.urn, _resource(args))
    if found:
        report(found, None)


def _stack(args: StackValidationArgs) -> list[Resource]:
    return [_resource(one) for one in args.resources]


def _whole(args: StackValidationArgs, report: ReportViolation) -> None:
    found = _budget.problem(_stack(args))
    if found:
        report(found, None)


def _clean(args: ResourceValidationArgs, report: ReportViolation) -> None:
    for found in unclean(_resource(args)):
        report(found, None)


def _proxy(args: StackValidationArgs, report: ReportViolation) -> None:
    found = unlike_the_proxy(_stack(args))
    if found:
        report(found, None)


PolicyPack(
    name="freelancer-data-stack",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(
            name="budget-as-it-grows",
            description="A new resource must not take the stack, or its budget group, over the budget.",
            validate=_grows,
        ),
        StackValidationPolicy(
            name="budget",
            description="The resources of the stack and of its budget group cost at most the budget, and fit.",
            validate=_whole,
        ),
        ResourceValidationPolicy(
            name="hygiene",
            description="A resource uses only inputs that are known to be harmless.",
            validate=_clean,
        ),
        StackValidationPolicy(
            name="proxy",
            description="A container that publishes ports runs the proxy's image.",
            validate=_proxy,
        ),
    ],
)
