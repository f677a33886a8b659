"""Check the inputs of resources against tables of allowed inputs; every input that is not allowed is a problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.policy.resources import Unknown

Rule = Callable[[str, Any], Iterator[str]]
"""Function that takes the path and value of an input and yields its problems."""
Table = Mapping[str, Rule]

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
"""Docker's grammar for names of volumes and networks: no slash, no colon, no dot at the start."""


def problems(values: Mapping[str, Any], table: Table, path: str = "") -> Iterator[str]:
    """Yield the problems of a resource's inputs, or of the object at `path` in these inputs."""
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if is_unset(value):
            continue
        if key in table:
            yield from table[key](where, value)
        else:
            yield f"sets {where}, which is not allowed"


def is_unset(value: Any) -> bool:
    """Return whether a value is unset: absent, false, zero, empty, or an object of only unset values."""
    if isinstance(value, Unknown):
        return False
    if isinstance(value, Mapping):
        return all(is_unset(entry) for entry in value.values())
    return not value


def anything(path: str, value: Any) -> Iterator[str]:
    """Accept every value, known or not."""
    return iter(())


def one_of(*allowed: str) -> Rule:
    """Return a rule that accepts only these texts."""

    def rule(path: str, value: Any) -> Iterator[str]:
        if value not in allowed:
            yield f"sets {path} to {value}, allowed is {' or '.join(allowed)}"

    return rule


def matching(pattern: str, what: str, *, later: bool = False) -> Rule:
    """Return a rule that accepts a text if the whole of it matches `pattern`.

    Args:
        what: what a valid value is, for the message, such as "the name of a volume".
        later: whether to accept a value that is unknown in a preview; the deployment checks the real value before it
            creates the resource.
    """

    def rule(path: str, value: Any) -> Iterator[str]:
        if later and isinstance(value, Unknown):
            return
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield f"sets {path} to {value}, which is not {what}"

    return rule


def each(rule: Rule) -> Rule:
    """Return a rule that accepts a list if `rule` accepts every entry."""

    def entries(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            yield f"sets {path} to {value}, which is not a list"
            return
        for index, entry in enumerate(value):
            yield from rule(f"{path}[{index}]", entry)

    return entries


def keys(table: Table) -> Rule:
    """Return a rule that accepts an object if, for every key that is set, `table` has a rule that accepts the value."""

    def rule(path: str, value: Any) -> Iterator[str]:
        if isinstance(value, Mapping):
            yield from problems(value, table, path)
        else:
            yield f"sets {path} to {value}, which is not an object"

    return rule


volume_name = matching(_NAME, "the name of a volume", later=True)
network_name = matching(rf"(?!(?:host|none|ingress|docker_gwbridge)$){_NAME}", "the name of a bridge", later=True)
inside = matching(r"/[^:]*", "a path inside the container")


def number(value: Any) -> Decimal | None:
    """Return the value as a number; None if it is not a finite number."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
