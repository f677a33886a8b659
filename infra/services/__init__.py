"""Collect the service catalogue: each module here without a leading underscore declares one service as `SERVICE`.

To add a service, add one module; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cache
from math import isfinite

from infra.services._model import (
    Build,
    Context,
    File,
    Health,
    Metrics,
    Resources,
    Route,
    Service,
    Volume,
    address_of,
    secret,
)
from infra.setting_types import NAME
from infra.settings import Settings
from stack_runtime.errors import UsageError

__all__ = [
    "Build", "Context", "File", "Health", "Metrics", "Resources", "Route", "Service", "Volume",
    "adapted", "address_of", "catalogue", "profiles", "secret", "selected",
]  # fmt: skip


@cache
def catalogue() -> tuple[Service, ...]:
    """Return all services: each after the services that it needs, otherwise in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found = {s.name: s for s in (importlib.import_module(f"{__name__}.{name}").SERVICE for name in names)}
    ordered: dict[str, Service] = {}

    def add(service: Service) -> None:
        needed = [other for other in found.values() if {other.name, other.replaces} & {*service.needs}]
        for other in sorted(needed, key=lambda other: other.name):
            if other.name not in ordered:
                add(other)
        ordered.setdefault(service.name, service)

    for name in sorted(found):
        add(found[name])
    return tuple(ordered.values())


def profiles() -> tuple[str, ...]:
    """Return the allowed names in the setting `profiles`, without `full`."""
    return tuple(sorted({service.profile for service in catalogue()}))


def selected(settings: Settings, own: Sequence[Service] = ()) -> tuple[Service, ...]:
    """Return the services that these settings run, with overrides applied and only the files that the settings need.

    These are the services of the selected profiles and the services that they need, without those that the settings
    do not allow (`Service.wanted`).

    Args:
        own: services outside the catalogue; all of them run, after those of the catalogue.

    Raises:
        UsageError: the settings name an unknown profile or service, or a service in `own` breaks a rule.
    """
    _refuse_unknown(settings, own)
    wanted = [service for service in catalogue() if service.wanted(settings)]
    chosen = {service.name for service in wanted if settings.has(service.profile)}
    for service in reversed(wanted):  # in this order, each service comes before the services that it needs
        if service.name in chosen:
            chosen.update(service.needs)
    found = [service for service in wanted if service.name in chosen]
    for service in own:
        _refuse_unusable(service, {each.name for each in found})
        found.append(service)
    return tuple(adapted(service, settings) for service in found)


def _refuse_unusable(service: Service, before: Set[str]) -> None:
    """Refuse a service outside the catalogue that breaks a rule for services; tests check the catalogue's services.

    Args:
        before: names of the services that `service` may name in `needs`.
    """
    resources = service.resources
    amounts = _are_amounts(resources)
    for is_wrong, problem in (
        (not re.fullmatch(NAME, service.name), "its name has other characters than small letters, digits and -"),
        (service.name in {"files", *before, *(each.name for each in catalogue())}, "its name is taken"),
        (not isinstance(service.image, str), "its image has no name: only images of the catalogue are built"),
        (not re.fullmatch(r"[1-9]\d*:\d+", service.user), "its user is not UID:GID, or is root"),
        (service.published is not None, "it publishes ports, only the proxy does: give it a route"),
        (set(service.needs) - before, f"it needs {', '.join(sorted(set(service.needs) - before))}, not selected here"),
        (not amounts, "its resources are not amounts above 0 (disk and image may be 0)"),
        (amounts and resources.memory_mb > resources.memory_limit_mb, "it reserves more memory than its limit"),
        (amounts and resources.cpu_limit < 0.1, "its CPU limit is below 0.1, which the Docker provider would round"),
        (not _are_times(service.health), "its health check has times that are not whole seconds above 0"),
    ):
        if is_wrong:
            raise UsageError(f"the service {service.name!r} cannot run: {problem}", next_command="correct the service")


def _are_amounts(resources: Resources) -> bool:
    """Return whether all amounts are numbers above 0 (disk and image: 0 or more)."""
    whole = (resources.memory_mb, resources.memory_limit_mb, resources.processes)
    cores = (resources.cpu, resources.cpu_limit)
    return (
        all(type(amount) is int and amount > 0 for amount in whole)
        and all(type(amount) in (int, float) and isfinite(amount) and amount > 0 for amount in cores)
        and all(type(amount) is int and amount >= 0 for amount in (resources.disk_gb, resources.image_mb))
    )


def _are_times(health: Health) -> bool:
    """Return whether the times of a health check are whole seconds above 0 (start period: 0 or more)."""
    times = (health.interval_s, health.timeout_s, health.start_period_s)
    return all(type(seconds) is int and seconds >= 0 for seconds in times) and all(times[:2])


def _refuse_unknown(settings: Settings, own: Sequence[Service]) -> None:
    for kind, asked, known in (
        ("profile", settings.profiles, {*profiles(), "full"}),
        ("service", settings.services, {service.name for service in (*catalogue(), *own)}),
    ):
        for name in asked:
            if name not in known:
                raise UsageError(
                    f"unknown {kind} '{name}', there are {', '.join(sorted(known))}",
                    where=f"Pulumi.{settings.stack}.yaml",
                    next_command=f"correct {kind}s in the stack file",
                )


def adapted(service: Service, settings: Settings) -> Service:
    """Return `service` with the overrides of these settings, and only the files that these settings need."""
    service = replace(service, files=tuple(file for file in service.files if file.wanted(settings)))
    override = settings.services.get(service.name)
    own = service.resources
    if override and override.memory_mb is not None:
        limit = max(override.memory_mb, override.memory_mb * own.memory_limit_mb // own.memory_mb)
        own = replace(own, memory_mb=override.memory_mb, memory_limit_mb=limit)
    if override and override.cpu is not None:
        own = replace(own, cpu=override.cpu, cpu_limit=max(override.cpu, own.cpu_limit))
    return replace(service, resources=own)
