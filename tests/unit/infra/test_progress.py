"""Test how `Progress` shows events of the Pulumi engine: errors, messages and the number of changes."""

from __future__ import annotations

import pytest
from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import (
    DiagnosticEvent,
    ResOutputsEvent,
    StepEventMetadata,
    StepEventStateMetadata,
    SummaryEvent,
)

from infra.engine.progress import Progress

SERVER = "urn:pulumi:prod::fds::hcloud:index/server:Server::server"
STACK = "urn:pulumi:prod::fds::pulumi:pulumi:Stack::fds-prod"
SOLD_OUT = "server type 'cx23' is currently unavailable at 'fsn1' (resource_unavailable, 24b30fd35b574a12)"


def _after_errors(*messages: str) -> Progress:
    progress = Progress(None)
    for number, message in enumerate(messages):
        diagnostic = DiagnosticEvent(message=message, color="never", severity="error", urn=SERVER)
        progress.on_event(EngineEvent(sequence=number, timestamp=0, diagnostic_event=diagnostic))
    return progress


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"  sdk-v2/provider2.go:571: sdk.helper_schema: {SOLD_OUT}: provider=hcloud@1.43.3", SOLD_OUT),
        (
            "[ERROR] An unexpected error was encountered during an API request.\n\nunable to authenticate "
            "(unauthorized, a6400cdf)\n\nError code: unauthorized\nStatus code: 401\n: API request failed\n",
            "unable to authenticate (unauthorized, a6400cdf)",
        ),
        ("Program failed:\nTraceback (most recent call last):\n  secret", "Program failed:"),
    ],
)
def test_error_is_one_line_without_text_of_the_plugin_and_without_traceback(message: str, shown: str) -> None:
    assert _after_errors(message, "update failed").first_error() == f"Server server: {shown}"


def test_errors_of_one_resource_are_returned_without_those_of_another_resource_of_its_kind() -> None:
    found = _after_errors(f"  sdk-v2/provider2.go:571: sdk.helper_schema: {SOLD_OUT}: provider=hcloud@1.43.3")
    assert found.errors_of("Server", "server") == [f"Server server: {SOLD_OUT}"]
    assert not found.errors_of("Server", "second-server") and not found.errors_of("Volume", "server")


def test_info_messages_of_the_program_are_shown_and_other_messages_are_hidden() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    for number, (urn, severity) in enumerate(((STACK, "info"), ("", "info"), (SERVER, "info"), (STACK, "debug"))):
        diagnostic = DiagnosticEvent(message=f"line {number}\n", color="never", severity=severity, urn=urn)
        progress.on_event(EngineEvent(sequence=number, timestamp=0, diagnostic_event=diagnostic))
    assert lines == ["  line 0", "  line 1"]


def _removal(urn: str, *, retained: bool) -> ResOutputsEvent:
    state = StepEventStateMetadata(
        type="docker:index/volume:Volume", urn=urn, id="1", parent="", inputs={}, outputs={}, provider="",
        retain_on_delete=retained,
    )  # fmt: skip
    return ResOutputsEvent(StepEventMetadata(op=OpType.DELETE, urn=urn, type=state.type, provider="", old=state))


@pytest.mark.parametrize("planned", [False, True])
def test_retained_resources_are_neither_shown_nor_counted_as_deleted(planned: bool) -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    progress.begin(planned=planned)
    for number, retained in enumerate((True, False, True)):
        event = _removal(f"urn:pulumi:dev::fds::docker:index/volume:Volume::v{number}", retained=retained)
        progress.on_event(EngineEvent(sequence=number, timestamp=0, res_outputs_event=event))
    summary = SummaryEvent(
        maybe_corrupt=False, duration_seconds=1, resource_changes={"delete": 3, "same": 2}, policy_packs={}
    )
    progress.on_event(EngineEvent(sequence=9, timestamp=0, summary_event=summary))
    assert progress.changes["delete"] == len(lines) == 1
