"""Test which line of Meltano's output is reported as the reason of a failed load."""

from __future__ import annotations

from stack_runtime.pipeline.extract_load import reason_of

_LOGGING = [
    "--- Logging error ---",
    "Traceback (most recent call last):",
    "AttributeError: 'NoneType' object has no attribute 'disabled'",
    "Message: 'Run failed'",
    "Arguments: ()",
]


def test_last_error_message_is_the_reason() -> None:
    assert reason_of(["Error: first", "Error: the file is empty", "Run completed"]) == "the file is empty"
    assert reason_of(["Run started", "an error came", "Run completed"]) == "an error came"
    assert reason_of([]) == "Meltano ended without a message"


def test_settings_that_a_plugin_reports_as_invalid_are_the_reason() -> None:
    begin = ["Reading state", "tap-x v1.0, Meltano SDK v0.54.9", "Skipping parse of env var settings..."]
    wrong = ["5 is not of type 'string' in config['decimal']", "'path' is a required property"]
    end = ["Config validation failed", "target-duckdb v0.1.0, Meltano SDK v0.54.9", "Run completed"]
    assert reason_of([*begin, *wrong, *end]) == f"a setting is invalid: {wrong[0]}; {wrong[1]}"
    assert reason_of([*begin, *end[:1], "TypeError: expected str", *end[1:]]) == "expected str"


def test_error_of_a_failed_logging_call_is_not_the_reason() -> None:
    assert reason_of(["Error: the file is empty", *_LOGGING, "Run completed"]) == "the file is empty"
    assert reason_of([*_LOGGING, "Run completed"]) == "Run completed"
    assert reason_of([*_LOGGING, "ValueError: no such account", *_LOGGING]) == "no such account"
