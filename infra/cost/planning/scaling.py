"""Parse and check changes of settings, which are given as `KEY=VALUE` pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from infra.cost.planning.choice import Deployed
from infra.cost.planning.model import Plan, Server
from infra.hosts import host_of
from infra.scalable import SCALABLE, Scalable, scalable
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UsageError


def parse(pairs: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return the values to write into the stack file, by camelCase key.

    Raises:
        UsageError: there is no pair, a pair is not KEY=VALUE, a key is given twice or cannot be scaled (like the
            budget), or a value is invalid.
    """
    found: dict[str, Any] = {}
    seen: set[str] = set()
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not value:
            raise _usage(f"'{pair}' is not KEY=VALUE")
        if key in seen:
            raise _usage(f"{key} is given twice")
        seen.add(key)
        setting = _setting(key)
        if setting.per_service:
            services = found.setdefault("services", _overrides(settings))
            services.setdefault(key.partition(".")[2], {})[to_camel(setting.name)] = _value(setting, key, value)
        else:
            found[key] = _value(setting, key, value)
    if not found:
        raise _usage("nothing to change")
    return found


def changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Return the settings after `changes`, checked like those of a stack file.

    Raises:
        UsageError: a value is invalid.
    """
    values = settings.model_dump(by_alias=True, exclude={"stack"}, exclude_unset=True)
    try:
        return Settings.of(settings.stack, {**values, **changes})
    except UsageError as error:
        raise _usage(error.what) from None


def refuse_harm(before: Settings, after: Settings, plan: Plan, deployed: Deployed | None) -> None:
    """Refuse a change that replaces the existing server or data volume, or that shrinks a disk.

    If the machine exists before any deployment (this machine, or the user's own server), nothing is refused, because a
    deployment changes neither the machine nor its disks.

    Raises:
        RefusedError: the volume would shrink, and it exists or may exist; the existing server or volume would have to
            move; or the existing server would have to change its architecture or get a smaller disk.
    """
    if not host_of(after).makes_machine:
        return
    _refuse_smaller_volume(before, after, deployed)
    if deployed is not None and plan.server is not None:
        _refuse_another_machine(after, plan.server, deployed)


def _refuse_smaller_volume(before: Settings, after: Settings, deployed: Deployed | None) -> None:
    if after.volume_gb < before.volume_gb and (deployed is None or after.volume_gb < deployed.volume_gb):
        known = f"it has {deployed.volume_gb} GB" if deployed else "without HCLOUD_TOKEN it is unknown if one exists"
        raise RefusedError(
            f"a volume cannot shrink to {after.volume_gb} GB, {known}",
            where=f"stack {after.stack}",
            next_command=f"fds scale volumeGb={(deployed or before).volume_gb} --stack {after.stack}",
        )


def _refuse_another_machine(after: Settings, server: Server, deployed: Deployed) -> None:
    """Refuse a planned server that the deployed one cannot become, or that the existing volume cannot be attached to.

    The cause is another location, another architecture, or a smaller disk.
    """
    where = f"stack {after.stack}"
    obstacles = deployed.obstacles(server.type, server.location, server.architecture, server.disk_gb)
    if "location" in obstacles:
        there = "the server and its data volume are" if deployed.location else "the data volume of the stack is"
        raise RefusedError(
            f"{there} in {deployed.place} and cannot move to {server.location}",
            where=where,
            next_command=f"fds scale location={deployed.place} --stack {after.stack} --apply; "
            "to use another location, make another stack, or first run fds down --volumes",
        )
    if "architecture" in obstacles:
        raise RefusedError(
            f"the server is {deployed.architecture} and cannot become {server.type}, which is {server.architecture}",
            where=where,
            next_command=f"fds scale serverType={deployed.server_type} --stack {after.stack} --apply",
        )
    if "disk" in obstacles:
        raise RefusedError(
            f"the server's disk of {deployed.disk_gb} GB cannot shrink to the {server.disk_gb} GB of {server.type}",
            where=where,
            next_command="choose a serverType with as large a disk, fds cost --explain lists them",
        )


def _setting(key: str) -> Scalable:
    found = scalable(key)
    if found is not None:
        return found
    if key == "budgetUsd":
        raise _usage("budgetUsd cannot be scaled: a person raises it in the stack file")
    raise _usage(f"'{key}' is not a scalable setting; these are: {', '.join(one.key for one in SCALABLE)}")


def _value(setting: Scalable, key: str, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise _usage(f"{key} {error}, not '{text}'") from None


def _overrides(settings: Settings) -> dict[str, Any]:
    return {name: override.model_dump(by_alias=True, exclude_none=True) for name, override in settings.services.items()}


def _usage(what: str) -> UsageError:
    return UsageError(what, next_command="fds scale --help")
