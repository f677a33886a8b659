"""Show a form field for each property of a request's JSON schema, which defines the field's label, bounds and help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlit.delta_generator import DeltaGenerator

UNCHANGED = "unchanged"


def ordered(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and definition of each property of a schema, required ones first, without the alternative `null`."""
    found = [(name, _described(entry)) for name, entry in schema["properties"].items()]
    return sorted(found, key=lambda entry: entry[0] not in schema.get("required", ()))


def _described(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition of a property without its alternative `null`, but with its title and description."""
    parts = [part for part in entry.get("anyOf", [entry]) if part.get("type") != "null"]
    return {**parts[0], **{key: entry[key] for key in ("title", "description") if key in entry}}


def entry(column: DeltaGenerator, described: Mapping[str, Any], service: str) -> Any:
    """Show the field of one property and return its value; None if nothing was entered.

    Args:
        described: the definition of the property, as `ordered` returns it.
        service: the chosen service; if the property has one value for each service, the value is entered for this one.
    """
    label, help_text = described["title"], described.get("description")
    match described:
        case {"enum": options}:
            chosen = column.selectbox(label, (UNCHANGED, *options), help=help_text)
            return None if chosen == UNCHANGED else chosen
        case {"type": "boolean"}:
            chosen = column.selectbox(label, (UNCHANGED, "on", "off"), help=help_text)
            return None if chosen == UNCHANGED else chosen == "on"
        case {"type": "integer" | "number" as kind, "minimum": least, "maximum": most}:
            number = float if kind == "number" else int
            return column.number_input(label, number(least), number(most), None, help=help_text)
        case {"type": "object", "patternProperties": Mapping() as by_service}:
            (inner,) = by_service.values()
            value = entry(column, {**inner, "title": label, "description": help_text}, service)
            return None if value is None else {service: value}
        case {"type": "array"}:
            words = column.text_input(f"{label}, separated by commas", max_chars=200, help=help_text)
            return [word.strip() for word in words.split(",")] if words.strip() else None
        case _:
            text = column.text_input(label, max_chars=described.get("maxLength", 100), help=help_text).strip()
            return text or None
