"""Plain Python values for the engine's property values.

The SDK's property values neither read nor write unknown values, so the engine's own marks for them are handled here.
A provider that does not claim `accept_secrets` never sees a secret: the engine unwraps secrets before a call and
marks the answer again, so only unknown values need a form of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pulumi.provider.experimental.property_value import PropertyValue

_STRING_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_MARKS = frozenset(
    {
        _STRING_MARK,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""How the engine writes an unknown text, bool, number, list, asset, archive and object (plugin/rpc.go of its SDK)."""


class _Unknown:
    """A value that is known only after another resource was made."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


def plain(value: PropertyValue) -> Any:
    """The value as str, bool, int, float, list, dict, None or `UNKNOWN`."""
    raw = value.value
    if isinstance(raw, str) and raw in _MARKS:
        return UNKNOWN
    if isinstance(raw, bool) or raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else raw
    if isinstance(raw, Mapping):
        return {key: plain(item) for key, item in raw.items()}
    if isinstance(raw, tuple):
        return [plain(item) for item in raw]
    raise TypeError(f"a value of type {type(raw).__name__} is no input of these resources")


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """A property map as plain values; nulls are left out, as the engine means them."""
    result = {key: plain(value) for key, value in values.items()}
    return {key: value for key, value in result.items() if value is not None}


def wrapped(value: Any) -> PropertyValue:
    """The property value of a plain value."""
    if value is UNKNOWN:
        return PropertyValue(_STRING_MARK)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return PropertyValue(value)
    if isinstance(value, (int, float)):
        return PropertyValue(float(value))
    if isinstance(value, Mapping):
        return PropertyValue({key: wrapped(item) for key, item in value.items()})
    return PropertyValue([wrapped(item) for item in value])


def wrapped_map(values: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """A property map of plain values; keys without a value are left out."""
    return {key: wrapped(value) for key, value in values.items() if value is not None}


def unknown_within(value: Any) -> bool:
    """Whether `value` is unknown or holds something unknown."""
    if isinstance(value, Mapping):
        return any(unknown_within(item) for item in value.values())
    if isinstance(value, list):
        return any(unknown_within(item) for item in value)
    return value is UNKNOWN
