"""Closed tables of inputs: what a table does not name, or its rule does not accept, is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.policy.resources import Unknown

Rule = Callable[[str, Any], Iterator[str]]
"""Takes the path of an input and its value; yields what is wrong with it."""
Table = Mapping[str, Rule]

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
"""Docker's grammar for names of volumes and networks: no slash, no colon, no dot at the start."""


def problems(values: Mapping[str, Any], table: Table, path: str = "") -> Iterator[str]:
    """Yield what is wrong with the inputs of a resource, or of an object at `path` inside it."""
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if is_unset(value):
            continue
        if key in table:
            yield from table[key](where, value)
        else:
            yield f"sets {where}, which is not allowed"


def is_unset(value: Any) -> bool:
    """Whether a value says nothing: absent, false, zero, empty, or an object of nothing else."""
    if isinstance(value, Unknown):
        return False
    if isinstance(value, Mapping):
        return all(is_unset(entry) for entry in value.values())
    return not value


def anything(path: str, value: Any) -> Iterator[str]:
    """Accept every value, known or not."""
    return iter(())


def one_of(*allowed: str) -> Rule:
    """Accept these texts only."""

    def rule(path: str, value: Any) -> Iterator[str]:
        if value not in allowed:
            yield f"sets {path} to {value}, allowed is {' or '.join(allowed)}"

    return rule


def matching(pattern: str, what: str, *, later: bool = False) -> Rule:
    """Accept a text that matches `pattern` as a whole.

    Args:
        what: the pattern in words, with its article.
        later: accept what a preview does not know yet; the deployment judges it once more before it makes anything.
    """

    def rule(path: str, value: Any) -> Iterator[str]:
        if later and isinstance(value, Unknown):
            return
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield f"sets {path} to {value}, which is not {what}"

    return rule


def each(rule: Rule) -> Rule:
    """Accept a list whose every entry `rule` accepts."""

    def entries(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            yield f"sets {path} to {value}, which is not a list"
            return
        for index, entry in enumerate(value):
            yield from rule(f"{path}[{index}]", entry)

    return entries


def keys(table: Table) -> Rule:
    """Accept an object whose inputs `table` accepts."""

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
    """The finite number that a value says, or None."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
