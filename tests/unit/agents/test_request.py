"""Test the JSON schema of scaling requests, from which forms and models take names and bounds."""

from __future__ import annotations

from collections.abc import Iterator

from agents.changes.request import ScalingRequest


def _objects(value: object) -> Iterator[dict[str, object]]:
    """Yield every object of a JSON document."""
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _objects(part)


def test_schema_has_the_bounds_of_every_number() -> None:
    numbers = [one for one in _objects(ScalingRequest.model_json_schema()) if one.get("type") in ("integer", "number")]
    assert len(numbers) == 5
    assert all("minimum" in one and "maximum" in one for one in numbers), numbers
