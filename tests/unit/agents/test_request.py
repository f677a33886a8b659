"""Test the JSON schema of `ScalingRequest`, which forms and models use, and the errors about refused values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from agents.changes.request import ScalingRequest
from infra.setting_types import reason_of


def _objects(value: object) -> Iterator[dict[str, object]]:
    """Yield every object of a JSON document."""
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _objects(part)


def test_schema_has_the_minimum_and_maximum_of_every_number() -> None:
    numbers = [one for one in _objects(ScalingRequest.model_json_schema()) if one.get("type") in ("integer", "number")]
    assert len(numbers) == 5
    assert all("minimum" in one and "maximum" in one for one in numbers), numbers


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"volume_gb": 5}, "it must be greater than or equal to 10"),
        ({"volume_gb": "50 GB"}, "it must be a number such as 10 or 9.90"),
        ({"days": "3"}, "it must be a valid whole number"),
        ({"profiles": "bi"}, "it must be a valid list"),
        ({"profiles": ["a"] * 21}, "it must have at most 20 items, not 21"),
        ({"memory_mb": []}, "it must be a valid object"),
        ({"server_type": 4}, "it must be a valid text"),
        ({"reason": "\udcff"}, "it must be a valid text"),
        ({"schedule": "yearly"}, "it must be 'never', 'hourly', 'daily' or 'weekly'"),
        ({"budget_usd": 99}, "there is nothing of this name"),
        ({"reason": ""}, "it must have at least 1 character"),
    ],
    ids=repr,
)
def test_error_about_a_refused_value_uses_plain_words(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ScalingRequest.model_validate({"reason": "more data", **fields})
    assert reason_of(refused.value) == says
