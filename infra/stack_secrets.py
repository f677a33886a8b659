"""Check the secrets in a stack file: each secret is one encrypted value, or one encrypted value holds all secrets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from stack_runtime.errors import UsageError
from stack_runtime.paths import PROJECT

SECRETS = "secrets"
TOKEN = "hcloud:token"  # noqa: S105, this is the name of the token
_KEY = f"{PROJECT}:{SECRETS}"


def readable(configuration: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the encrypted secrets by name; None if one encrypted value holds all secrets.

    Args:
        configuration: the configuration in the stack file, as `stack_file.config` returns it.
    """
    found: Mapping[str, Any] = configuration.get(_KEY, {})
    return None if _is_encrypted(found) else found


def check_encryption(stack: str, key: str, value: Any) -> None:
    """Refuse a secret in plain text, and an encrypted value that is not a secret.

    Raises:
        UsageError: the value is refused; the error names the command that corrects it.
    """
    name = key.removeprefix(f"{PROJECT}:")
    if key not in (TOKEN, _KEY):
        if _is_encrypted(value):
            raise _misplaced(stack, f"{name} is encrypted, which only secrets may be", f"set {name} VALUE")
        return
    parts = {name: value}
    if key == _KEY and not _is_encrypted(value):
        if not isinstance(value, Mapping):
            raise _misplaced(stack, f"{name} is not a mapping of encrypted values", f"rm {name}")
        parts = {f"{name}.{each}": entry for each, entry in value.items()}
    for path, entry in parts.items():
        if not _is_encrypted(entry):
            raise _misplaced(stack, f"{path} is not encrypted", f"set --secret --path {shlex.quote(path)}")


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"} and isinstance(value["secure"], str)


def _misplaced(stack: str, what: str, command: str) -> UsageError:
    return UsageError(what, where=f"Pulumi.{stack}.yaml", next_command=f"pulumi config {command} --stack {stack}")
