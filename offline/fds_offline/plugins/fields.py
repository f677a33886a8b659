"""Describe the properties of resources, and implement the rules that the official providers derive from them.

A `Field` has what the official schema says about one property: type, default, whether the provider may compute it, and
whether a change replaces the resource. The tables of fields determine how inputs are checked, what a preview shows, and
how a recorded state is compared with new inputs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fds_offline.plugins.values import UNKNOWN, unknown_within

Kind = Literal["string", "int", "number", "bool", "map", "list", "set", "object"]
DEFAULTS = "__defaults"
"""The key under which the official providers record the names of the inputs that they filled in."""

Failures = list[tuple[str, str]]
"""Failed checks of inputs: pairs of property path and reason."""


@dataclass(frozen=True)
class Field:
    """A property of a resource. `of` has the fields of an object, or of the objects in a list or set."""

    kind: Kind
    of: Mapping[str, Field] | None = None
    items: Kind = "string"
    """Kind of the items of a list or set whose items are not objects."""
    required: bool = False
    default: Any = None
    computed: bool = False
    """Whether the provider sets the property if the program does not set it."""
    replace: bool = False
    """Whether a change of the property replaces the resource."""
    output: bool = False
    """Whether the property is only an output."""
    missing: bool = False
    """Whether the property is an official input that the stand-in does not implement, and therefore refuses."""
    auto_name: bool = False
    """Whether a missing value is generated from the name of the Pulumi resource."""
    pattern: str = ""
    minimum: int | None = None
    refuse: Callable[[Any], str] | None = None
    """Function that returns what is wrong with a value, or with an item of a list or set. An empty text means valid."""
    unless: Callable[[Any, Any], bool] | None = None
    """Function that returns whether the old and the new value mean the same although they differ."""


Fields = Mapping[str, Field]


def missing(*names: str) -> dict[str, Field]:
    """Return fields for inputs of the official provider that the stand-in does not implement and therefore refuses."""
    return dict.fromkeys(names, Field("string", missing=True))


def checked(
    fields: Fields, news: Mapping[str, Any], olds: Mapping[str, Any], name: str, seed: bytes
) -> tuple[dict[str, Any], Failures]:
    """Return the inputs completed by defaults and a generated name, and the failures of the checks.

    Args:
        news: inputs from the program.
        olds: recorded inputs; a name that was generated for them is used again.
        name: name of the Pulumi resource, with which a generated name begins.
        seed: determines the random end of a generated name; if it is empty, the end is different in each call.
    """
    failures: Failures = []
    inputs = _object(fields, news, "", failures)
    defaults = sorted(key for key in inputs if key not in news)
    for key, field in fields.items():
        if field.auto_name and key not in inputs:
            kept = olds.get(key) if key in olds.get(DEFAULTS, ()) else None
            inputs[key] = kept or f"{name}-{_suffix(seed)}"
            defaults = sorted([*defaults, key])
    return {**inputs, DEFAULTS: defaults}, failures


def _suffix(seed: bytes) -> str:
    return (hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(4))[:7]


def _object(fields: Fields, values: Mapping[str, Any], path: str, failures: Failures) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        if value is None or key.startswith("__"):
            continue
        where = f"{path}.{key}" if path else key
        field = fields.get(key)
        if field is None or field.output:
            failures.append((where, f"there is no input of this name; the inputs are {_names(fields)}"))
        elif field.missing:
            failures.append((where, "the offline stand-in does not implement this input; use the official plugin"))
        else:
            result[key] = _value(field, value, where, failures)
    for key, field in fields.items():
        if key not in result and field.default is not None:
            result[key] = field.default
        if field.required and key not in result and key not in values:
            failures.append((f"{path}.{key}" if path else key, "is required"))
    return result


def _names(fields: Fields) -> str:
    return ", ".join(sorted(key for key, field in fields.items() if not field.output and not field.missing))


def _value(field: Field, value: Any, where: str, failures: Failures) -> Any:
    if value is UNKNOWN:
        return value
    if field.kind in ("list", "set"):
        if not isinstance(value, list):
            failures.append((where, "must be a list"))
            return value
        item = Field("object", field.of) if field.of is not None else Field(field.items, refuse=field.refuse)
        return [_value(item, each, f"{where}[{index}]", failures) for index, each in enumerate(value)]
    if field.kind in ("map", "object"):
        if not isinstance(value, dict):
            failures.append((where, "must be an object"))
        elif field.kind == "map":
            return {key: _value(Field("string"), each, f"{where}.{key}", failures) for key, each in value.items()}
        else:
            return _object(field.of or {}, value, where, failures)
        return value
    return _scalar(field, value, where, failures)


def _scalar(field: Field, value: Any, where: str, failures: Failures) -> Any:
    """Check the value and convert it to the field's type, such as a text to a number, as the official providers do."""
    result: Any = None
    if field.kind == "bool":
        result = value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value))
    elif field.kind == "string":
        result = str(value).lower() if isinstance(value, bool) else str(value) if not _nested(value) else None
    elif not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
        number = float(value)
        result = int(number) if number.is_integer() else number if field.kind == "number" else None
    if result is None:
        failures.append((where, f"must be of type {field.kind}"))
    elif field.pattern and not re.search(field.pattern, str(result)):
        failures.append((where, f"must match {field.pattern}"))
    elif field.minimum is not None and result < field.minimum:
        failures.append((where, f"must be at least {field.minimum}"))
    elif field.refuse and (reason := field.refuse(result)):
        failures.append((where, reason))
    return result


def _nested(value: Any) -> bool:
    return isinstance(value, (list, dict))


def changes(
    fields: Fields, state: Mapping[str, Any], inputs: Mapping[str, Any], ignored: Sequence[str]
) -> dict[str, bool]:
    """Return the names of the properties that differ, each with whether its difference replaces the resource.

    Args:
        ignored: paths in the resource option `ignoreChanges`; their properties are left out.
    """
    skip = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in ignored}
    return {
        key: _replaces(field, state.get(key), inputs.get(key))
        for key, field in fields.items()
        if key not in skip and _differs(field, state.get(key), inputs.get(key))
    }


def _zero(value: Any) -> bool:
    return value is not UNKNOWN and not value


def _differs(field: Field, old: Any, new: Any) -> bool:
    if field.output or (_zero(new) and (_zero(old) or field.computed)):
        return False
    if new is UNKNOWN or _zero(old) or _zero(new):
        return not (field.unless and field.unless(old, new))
    if field.unless and field.unless(old, new):
        return False
    if field.kind == "object":
        return any(_differs(each, old.get(key), new.get(key)) for key, each in (field.of or {}).items())
    if field.kind == "map":
        return bool(old != new)
    if field.kind == "list":
        return len(old) != len(new) or any(not _same(field, one, two) for one, two in zip(old, new, strict=True))
    if field.kind == "set":
        return not _same_set(field, old, new)
    return bool(old != new)


def _same(field: Field, old: Any, new: Any) -> bool:
    if field.of is None:
        return bool(old == new)
    return not any(_differs(each, old.get(key), new.get(key)) for key, each in field.of.items())


def _same_set(field: Field, old: list[Any], new: list[Any]) -> bool:
    left = list(old)
    for each in new:
        match = next((index for index, one in enumerate(left) if _same(field, one, each)), None)
        if match is None:
            return False
        del left[match]
    return not left


def _replaces(field: Field, old: Any, new: Any) -> bool:
    """Return whether a changed property replaces the resource, because `replace` is set for it or for a part of it."""
    if field.replace or field.of is None:
        return field.replace
    if field.kind == "object" and isinstance(old, dict) and isinstance(new, dict):
        return any(
            _replaces(each, old.get(key), new.get(key))
            for key, each in field.of.items()
            if _differs(each, old.get(key), new.get(key))
        )
    return any(each.replace for each in field.of.values())


def planned(fields: Fields, inputs: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the outputs for a preview: the inputs, and the other outputs from `state`.

    Without `state`, these other outputs are unknown.
    """
    result: dict[str, Any] = {}
    for key, field in fields.items():
        if key in inputs:
            result[key] = inputs[key]
        elif field.computed or field.output:
            result[key] = UNKNOWN if state is None else state.get(key)
    return result


def refreshed(fields: Fields, inputs: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that a refresh records: each recorded input, or its value in `state` if they differ in meaning.

    On an import, no inputs are recorded. Then all inputs are returned whose value in `state` is known and not empty.
    """
    if inputs:
        real = {key: value for key, value in inputs.items() if key == DEFAULTS}
        for key in inputs.keys() - {DEFAULTS}:
            field = fields.get(key)
            same = field is None or not _differs(field, state.get(key), inputs[key])
            real[key] = inputs[key] if same else state.get(key)
        return real
    given = {key: state.get(key) for key, field in fields.items() if not field.output}
    return {
        **{key: value for key, value in given.items() if not _zero(value) and not unknown_within(value)},
        DEFAULTS: [],
    }
