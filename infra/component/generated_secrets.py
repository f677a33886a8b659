"""Secrets that nobody has to think of: which ones a stack needs, and how each is generated."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from infra.hosts import HOSTS, host_of
from infra.services import selected
from infra.settings import Settings
from stack_runtime.errors import UsageError
from stack_runtime.remote import keys

BYTES = 24
"""Entropy of a generated password, in bytes."""


def names(settings: Settings) -> set[str]:
    """Names of all secrets that these settings need and that can be generated."""
    services = selected(settings)
    own = {name for service in services for name in service.secrets}
    roles = {f"{service.role}_password" for service in services if service.role}
    return own | roles | set(host_of(settings).generated_keys)


def require(settings: Settings, present: Collection[str]) -> None:
    """Look for the secrets that these settings need, as plain `pulumi up` generates none.

    Raises:
        UsageError: one is not among those `present`.
    """
    if names(settings) - set(present):
        raise UsageError(
            "its passwords are not all generated yet",
            where=f"Pulumi.{settings.stack}.yaml",
            next_command=f"fds up --stack {settings.stack}",
        )
    for service in selected(settings):
        for name in service.asked(settings):
            if name not in present:
                stack = settings.stack
                raise UsageError(
                    f"the secret {name} that {service.name} needs is not set",
                    where=f"Pulumi.{stack}.yaml",
                    next_command=f"pulumi config set --secret --path secrets.{name} --stack {stack}",
                )


def value(name: str) -> str:
    """A new value for the secret `name`: a private key in OpenSSH's PEM form, or a password safe in URLs and SQL."""
    pairs = {key for host in HOSTS.values() for key in host.generated_keys}
    return keys.generate() if name in pairs else secrets.token_urlsafe(BYTES)
