"""Convert between plain Python values and the property values of the engine's protocol.

For a provider that does not claim `acceptSecrets`, the engine unwraps secrets before each call and marks the response
as secret again. `Configure` is the exception: a secret input of the provider, such as a token, arrives wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value  # type: ignore[import-untyped]

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
"""Markers that the engine sends in place of an unknown string, bool, number, list, asset, archive and object.

See plugin/rpc.go of the engine's SDK."""


_SIGNATURE = "4dabf18193072939515e22adb298388d"
_WRAPPED = "1b47061264138c4ac30d75fd1eb44270"
"""The key and the value that mark an object as a wrapped secret (resource/properties.go of the engine's SDK)."""


class _Unknown:
    """A value that is known only after another resource is created."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


def plain(value: Any) -> Any:
    """Return a protocol value as str, bool, int, float, list, dict, None or `UNKNOWN`."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _MARKS else value.string_value
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _WRAPPED:
            return plain(fields["value"])
        return {key: plain(item) for key, item in fields.items()}
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    return None


def plain_map(struct: Any) -> dict[str, Any]:
    """Return a property map as plain values, without the keys whose value is null, which means "not set"."""
    result = {key: plain(value) for key, value in struct.fields.items()}
    return {key: value for key, value in result.items() if value is not None}


def wrapped(value: Any) -> Any:
    """Return the protocol value of a plain value."""
    if value is UNKNOWN:
        return Value(string_value=_STRING_MARK)
    if value is None:
        return Value(null_value=0)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, (int, float)):
        return Value(number_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=Struct(fields={key: wrapped(item) for key, item in value.items()}))
    return Value(list_value=ListValue(values=[wrapped(item) for item in value]))


def wrapped_map(values: Mapping[str, Any]) -> Any:
    """Return the property map of plain values, without the keys whose value is None."""
    return Struct(fields={key: wrapped(value) for key, value in values.items() if value is not None})


def unknown_within(value: Any) -> bool:
    """Return whether `value` is unknown or contains something unknown."""
    if isinstance(value, Mapping):
        return any(unknown_within(item) for item in value.values())
    if isinstance(value, list):
        return any(unknown_within(item) for item in value)
    return value is UNKNOWN
