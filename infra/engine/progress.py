"""Show a deployment's progress, one line for each finished resource, and collect its errors."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

from stack_runtime.text import Say, shortened

_DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "create-replacement": "created anew",
    "delete-replaced": "removed the old",
    "delete": "removed",
    "import": "adopted",
    "discard-replaced": "dropped",
    "refresh": "read",
}
_PLANNED = {"create": "would create", "update": "would update", "replace": "would replace", "delete": "would remove"}
_WRAPPING = re.compile(
    r"^sdk-v2/\S+ sdk\.\w+: |: provider=\S+$"
    r"|^\[ERROR\] An unexpected error was encountered during an API request\. | Error code: \w+ Status code: \d+.*$"
)
"""Parts that the official plugins add to an error message: the place in their code, and a repetition of the message."""


class Progress:
    """Receiver of the engine's events; it shows the progress, and keeps errors, policy violations and counts.

    Args:
        say: called with each line to show to a person; None if a program reads the output.
    """

    def __init__(self, say: Say | None) -> None:
        self._say = say or (lambda _: None)
        self.begin()

    def begin(self, *, planned: bool = False) -> None:
        """Start a new attempt: forget the events of an earlier attempt.

        Args:
            planned: True for a preview, which changes nothing.
        """
        self._planned = planned
        self._started: dict[str, float] = {}
        self._errors: list[str] = []
        self._violations: list[str] = []
        self._kept = 0
        self.changes: dict[str, int] = {}
        """Number of resources by operation; empty until the engine has ended."""

    def on_event(self, event: EngineEvent) -> None:
        """Handle one event of the engine's stream."""
        if event.resource_pre_event:
            self._started[event.resource_pre_event.metadata.urn] = time.monotonic()
        elif event.res_outputs_event:
            self._on_step_end(event.res_outputs_event.metadata)
        elif event.summary_event:
            self.changes = self._counted(event.summary_event.resource_changes)
        elif event.policy_event and event.policy_event.enforcement_level == "mandatory":
            self._violations.append(" ".join(event.policy_event.message.split()))
        elif event.diagnostic_event:
            self._on_diagnostic(event.diagnostic_event)

    def _on_diagnostic(self, event: DiagnosticEvent) -> None:
        """Keep errors for `first_error`. Show info messages of the Pulumi program at once; ignore those of plugins."""
        name = _name(event.urn or "")
        if event.severity == "error":
            message = _WRAPPING.sub("", " ".join(event.message.partition("Traceback")[0].split()))
            self._errors.append(f"{name}: {message}" if name else message)
        elif event.severity == "info" and (not name or name.startswith("Stack ")):
            self._say(f"  {' '.join(event.message.split())}")

    def _on_step_end(self, step: StepEventMetadata) -> None:
        operation = str(getattr(step.op, "value", step.op))
        if operation == "delete" and step.old and step.old.retain_on_delete:
            self._kept += 1
            return  # the resource is retained and only removed from the state
        if self._planned and operation in _PLANNED:
            self._say(f"  {_PLANNED[operation]} {_name(step.urn)}")
        elif not self._planned and operation in _DONE:
            seconds = time.monotonic() - self._started.get(step.urn, time.monotonic())
            self._say(f"  {_DONE[operation]} {_name(step.urn)} ({seconds:.1f} s)")

    def _counted(self, changes: Mapping[OpType, int]) -> dict[str, int]:
        """Return the engine's counts by operation; deletions that leave the real resource do not count."""
        counts = {str(operation): count for operation, count in changes.items()}
        if self._kept and "delete" in counts:
            counts["delete"] -= self._kept
        return {operation: count for operation, count in counts.items() if count}

    def errors_of(self, kind: str, name: str) -> list[str]:
        """Return the errors that the engine reported about one resource."""
        return [error for error in self._errors if error.startswith(f"{kind} {name}: ")]

    def first_violation(self) -> str:
        """Return the first violation that the policy pack reported, on one line; empty without one."""
        return shortened(self._violations[0], 600) if self._violations else ""

    def first_error(self) -> str:
        """Return the first error that the engine reported, on one line; empty without one."""
        return self._errors[0] if self._errors else ""


def _name(urn: str) -> str:
    """Return kind and name of a resource from its URN, such as `Container postgres`; empty for other text."""
    if "::" not in urn:
        return ""
    kind, name = urn.split("::")[-2:]
    return f"{kind.rpartition(':')[2]} {name}"
