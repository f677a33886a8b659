"""Determine which secrets a stack needs, and generate those that are not given."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping

import pulumi

from infra.hosts import HOSTS, host_of
from infra.services import Service, selected
from infra.settings import Settings
from stack_runtime.errors import UsageError
from stack_runtime.remote import keys

BYTES = 24
"""Entropy of a generated password, in bytes."""


def names(settings: Settings, services: Collection[Service] | None = None) -> set[str]:
    """Return the names of all secrets that these settings need and that can be generated.

    Args:
        services: the services that run; None for the services of the catalogue that the settings select.
    """
    services = selected(settings) if services is None else services
    own = {name for service in services for name in service.secrets}
    roles = {f"{role}_password" for service in services for role in (service.role, service.marts_reader) if role}
    return own | roles | set(host_of(settings).generated_keys)


def require(settings: Settings, present: Collection[str]) -> None:
    """Refuse settings that need a secret which the stack file lacks.

    Only `fds up` generates missing secrets, and some secrets must be set by the user.

    Raises:
        UsageError: a needed secret is not in `present`, the names of the secrets in the stack file.
    """
    if names(settings) - set(present):
        raise UsageError(
            "some of its passwords are not generated yet",
            where=f"Pulumi.{settings.stack}.yaml",
            next_command=f"fds up --stack {settings.stack}",
        )
    require_asked(settings, present, selected(settings))


def require_asked(settings: Settings, present: Collection[str], services: Iterable[Service]) -> None:
    """Refuse settings that need a secret which cannot be generated and is not given.

    Raises:
        UsageError: a needed secret that cannot be generated is not in `present`, the names of the given secrets.
    """
    stack = settings.stack
    for service in services:
        for name in service.asked(settings):
            if name not in present:
                raise UsageError(
                    f"the secret {name} that {service.name} needs is not set",
                    where=f"Pulumi.{stack}.yaml",
                    next_command=f"pulumi config set --secret --path secrets.{name} --stack {stack}",
                )


def complete(
    stack: str, given: Mapping[str, pulumi.Input[str]], needed: Iterable[str], options: pulumi.ResourceOptions
) -> pulumi.Output[Mapping[str, str]]:
    """Return the given secrets, and a generated value for each needed secret that is not given.

    The engine keeps each generated value as a `Stash` in its state, encrypted, and returns it on every later run.
    """
    once = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(ignore_changes=["input"]))
    kept = {
        name: pulumi.Stash(f"{stack}-secret-{name}", once, input=pulumi.Output.secret(value(name))).output
        for name in sorted(set(needed) - set(given))
    }
    return pulumi.Output.secret(pulumi.Output.all(**given, **kept))


def value(name: str) -> str:
    """Return a new value for the secret `name`: a private key in OpenSSH's form, or a password safe in URLs and SQL.

    Every password contains a digit, because Metabase requires one.
    """
    pairs = {key for host in HOSTS.values() for key in host.generated_keys}
    if name in pairs:
        return keys.generate()
    while True:
        password = secrets.token_urlsafe(BYTES)
        if any(character.isdigit() for character in password):
            return password
