"""Deploy a stack, from the checks before the deployment to the health of the services after it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from docker import DockerClient

from infra import image_digests, image_lock
from infra.cost import Plan
from infra.cost.gate import refusal
from infra.cost.planning_inputs import PlanningInputs, today
from infra.cost.reports.diff import diff
from infra.cost.reports.text import headline, money
from infra.docker_access import daemon
from infra.engine import state_edits
from infra.engine.errors import retry_when_busy
from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from infra.operations import planned_cost
from infra.operations.images import remove_former_images
from infra.operations.reconcile import reconcile
from infra.services import selected
from infra.settings import Settings
from infra.stack_file import read
from stack_runtime.errors import LockedError, RefusedError, UnknownError, UnreachableError
from stack_runtime.status import unhealthy
from stack_runtime.text import Say

SETTLED_S = 120.0
"""Maximum seconds to wait until all services are healthy; they may just have started together with their server."""
REPAIRS = 2
"""Maximum number of further deployments if the account differs from the settings after a deployment."""
PAUSE_S = 1.0
"""Seconds between two health checks of the services."""


def deploy(
    project: Path,
    stack: str,
    say: Say,
    *,
    watched: bool = True,
    approved: Settings | None = None,
    agreed: Callable[[Plan], None] | None = None,
    take_over: str = "",
) -> dict[str, int]:
    """Deploy the stack as its file describes it, and wait until every service is healthy.

    Args:
        say: called with each line for a person.
        watched: whether to show a line for each resource that changes; messages about repairs are always shown.
        approved: the only settings that may be deployed; None when no approval is needed.
        agreed: called with the plan before any resource is registered; raises an error if the approval does not cover
            the plan.
        take_over: what a person typed to take over resources of another stack with this name.

    Returns: number of resources by operation (`create`, `update`, `replace`, `delete`, `same`).

    Raises:
        StackError: a check, the deployment or a repair failed, or a service stays unhealthy (an `UnreachableError`).
    """
    settings = read(project, stack)
    image_lock.read(project)  # refuse a malformed lock file before anything is changed
    host = host_of(settings)
    host.preflight(settings, project)
    deployment = StackOperations(project, stack, Progress(say if watched else None), approved, agreed)
    former, ready = reconcile(deployment, say, take_over)
    changes = _deployed_with_pinned_images(deployment, say, ready)
    record = deployment.recorded() if changes.keys() - {"same"} else former
    for line in replaced_images(*map(state_edits.pulled_digests, (former, record))):
        say(line)
    _complete(deployment, former, record, say)
    if changes.keys() - {"same"}:
        _refuse_excess(deployment)
    return changes


def _refuse_excess(deployment: StackOperations) -> None:
    """Check once more that the deployed stacks of the budget group together fit its budget.

    Another clone of the project may have deployed a stack at the same time; then neither plan counted the other
    stack's server. Prices and the exchange rate may have risen too.

    Raises:
        RefusedError: the deployed stacks cost more than their budget, or the plan is refused for another reason by now.
    """
    settings, identity = deployment.settings, deployment.owner.identity
    if not host_of(settings).makes_machine:
        return
    try:
        basis = PlanningInputs.of(settings, today(), project=deployment.project, deploying=True, identity=identity)
        now = basis.plan(settings)
    except UnknownError:
        return  # prices were known before the deployment; keep the stack although they are unknown now
    if now.verdict in ("within", "unknown"):
        return
    error, risen = refusal(now), _risen(deployment.plan, now)
    what = f"deployed, but {'over the budget' if now.verdict == 'over' else 'refused'} by now"
    cause = f", because {' and '.join(risen)}" if risen else ""
    way = error.next_command
    if any(each.startswith("stack ") for each in risen):
        way = f"fds down --stack {settings.stack}, or remove the other stack"
    raise RefusedError(f"{what}{cause}:\n{error.what}", where=error.where, next_command=way)


def _risen(before: Plan | None, now: Plan) -> list[str]:
    """Return what costs more now than in the plan before the deployment; after a rise of the rate, only what is new."""
    if before is None:
        return []
    changes = [one for one in diff(before, now).changes if one.added_usd > 0 and not one.once]
    said = []
    if before.fx and now.fx and before.fx.rate < now.fx.rate:
        said.append(f"the exchange rate rose from {before.fx.rate} to {now.fx.rate} dollars")
        changes = [one for one in changes if not one.before_usd]
    return said + [f"{one.resource} costs {money(one.after_usd)} now, not {money(one.before_usd)}" for one in changes]


def _complete(
    deployment: StackOperations, former: state_edits.Deployment, record: state_edits.Deployment, say: Say
) -> None:
    """Complete a deployment whose resources exist.

    Show the plan if the stack is on a server, wait for healthy services, remove unused images, send the plan to the
    pipeline's runner, and call the services' `after_up`.
    """
    if not host_of(deployment.settings).on_this_machine and deployment.plan:
        say(headline(deployment.plan))
    stack = deployment.settings.stack
    with daemon(deployment.project, stack) as client:
        _require_healthy(client, stack, say)
        remove_former_images(client, deployment, former, record, say)
        planned_cost.deliver(client, deployment, say)
        for service in selected(deployment.settings):
            if service.after_up:
                service.after_up(client, stack, say)


def replaced_images(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return one line for each image that was replaced under the same name; both arguments map names to digests."""
    return [
        f"image {name} is not the one of the last deployment: {before[name]} became {after[name]}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]


def _deployed_with_pinned_images(deployment: StackOperations, say: Say, ready: bool) -> dict[str, int]:
    """Lock the images and deploy. If Docker is reachable only after the deployment, lock the images then.

    If images are locked after the deployment, deploy again.

    Args:
        ready: whether Docker can be reached now; False if the deployment first has to create the server.
    """
    pinning = _pin_images(deployment) if ready else None
    deployment.generate_secrets()
    changes = _deployed(deployment, say)
    if pinning is None:
        pinning = _pin_images(deployment)
        if pinning.new:
            changes = _added(changes, _deployed(deployment, say))
    for line in pinning.lines():
        say(line)
    return changes


def _pin_images(deployment: StackOperations) -> image_digests.Pinning:
    """Complete the lock file of images, with the Docker daemon that the containers run on."""
    with daemon(deployment.project, deployment.settings.stack) as client:
        return image_digests.complete(client, deployment.project, deployment.settings)


def _deployed(deployment: StackOperations, say: Say) -> dict[str, int]:
    """Deploy, compare the provider's account with the settings, and repair differences that the Pulumi state may hide.

    Raises:
        UnreachableError: the account still differs after `REPAIRS` further deployments.
    """
    host = host_of(deployment.settings)
    try:
        changes = _deploy_once(deployment, say)
        for _ in range(REPAIRS):
            if not (wrong := host.differences(deployment)):
                return changes
            say(f"{_described(wrong)}, although the deployment succeeded; repairing it")
            host.repair(deployment, wrong, say)
            changes = _added(changes, _deploy_once(deployment, say))
        if wrong := host.differences(deployment):
            stack = deployment.settings.stack
            raise UnreachableError(
                f"the deployment succeeded, but {_described(wrong)}", where="the Hetzner account",
                next_command=f"look at it in the Hetzner console, then fds up --stack {stack}",
            )  # fmt: skip
        return changes
    except LockedError:
        raise  # do not switch the server on: the deployment that holds the lock may have switched it off on purpose
    except Exception:  # even an unforeseen one: a resize switches the server off before it can fail
        _leave_working(deployment, say)
        raise


def _deploy_once(deployment: StackOperations, say: Say) -> dict[str, int]:
    """Deploy; after an adoption, deploy again, because adopted resources are first imported without changes."""

    def mend() -> None:
        host_of(deployment.settings).bring_in_line(deployment, say)

    changes = retry_when_busy(deployment.up, say, mend)
    while deployment.adopt:
        deployment.adopt = {}
        changes = _added(changes, retry_when_busy(deployment.up, say, mend))
    return changes


def _added(changes: dict[str, int], again: dict[str, int]) -> dict[str, int]:
    """Add the changes of two deployments; count unchanged resources once."""
    return dict(Counter(changes) + Counter({what: count for what, count in again.items() if what != "same"}))


def _described(wrong: Mapping[str, str]) -> str:
    return " and ".join(f"the {kind.replace('_', ' ')} {text}" for kind, text in sorted(wrong.items()))


def _leave_working(deployment: StackOperations, say: Say) -> None:
    """Let the host repair its server after a failed deployment. An error of the repair is only printed, not raised."""
    try:
        host_of(deployment.settings).after_failure(deployment, say)
    except Exception as error:  # the caller raises the error of the deployment
        say(f"the server may be off: {error}")


def _require_healthy(client: DockerClient, stack: str, say: Say) -> None:
    """Wait until all services are healthy, because they may just have started together with their server.

    Raises:
        UnreachableError: a service stays unhealthy.
    """
    deadline = time.monotonic() + SETTLED_S
    waited_for: list[str] = []
    while sick := unhealthy(client, stack):
        if time.monotonic() > deadline:
            raise UnreachableError(f"deployed, but not healthy: {', '.join(sick)}", next_command=f"fds logs {sick[0]}")
        if sick != waited_for:
            say(f"waiting up to {SETTLED_S:.0f} s for {', '.join(sick)}")
            waited_for = sick
        time.sleep(PAUSE_S)
