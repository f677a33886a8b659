"""Run a policy pack in its virtualenv, with environment variables that describe the checked stack.

A pack reads project, stack and configuration from environment variables. The engine passes these values with the call
`ConfigureStack` after the pack has started, and the variables are set only then. So the policies can read them, but the
pack's top-level code cannot.
"""

import json
import os
import runpy
from typing import Any

from pulumi_policy import policy


def set_stack_variables() -> None:
    """Make `ConfigureStack` set `PULUMI_STACK` and similar environment variables before it does its own work."""
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
    set_stack_variables()
    runpy.run_module("pulumi.policy", run_name="__main__", alter_sys=True)
