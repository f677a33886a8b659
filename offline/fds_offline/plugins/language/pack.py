"""Runs a policy pack in the pack's own environment, and tells it which stack it judges.

A pack reads project, stack and configuration from the environment. The engine says them by `ConfigureStack` once the
pack answers, so they are put there at that moment: the policies see them, code at the top of the pack does not.
"""

import json
import os
import runpy
from typing import Any

from pulumi_policy import policy


def tell_the_stack() -> None:
    """Let `ConfigureStack` fill in the environment before it does what it did."""
    servicer: Any = policy._PolicyAnalyzerServicer
    original = servicer.ConfigureStack

    def configure(self: Any, request: Any, context: Any) -> Any:
        os.environ.update(
            PULUMI_ORGANIZATION=request.organization or "organization",
            PULUMI_PROJECT=request.project,
            PULUMI_STACK=request.stack,
            PULUMI_DRY_RUN=str(request.dry_run).lower(),
            PULUMI_CONFIG=json.dumps(dict(request.config)),
        )
        return original(self, request, context)

    servicer.ConfigureStack = configure


if __name__ == "__main__":
    tell_the_stack()
    runpy.run_module("pulumi.policy", run_name="__main__", alter_sys=True)
