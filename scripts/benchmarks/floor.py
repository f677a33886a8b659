"""Measure the minimum time of the engine with a program that only registers empty components.

`python -m scripts.benchmarks.floor COUNT FOLDER` deploys the stack's resource and COUNT - 1 empty components through
the Automation API, as `fds up` does: engine, state in a folder, passphrase. There are no providers and no resources to
compare, so this is the time of Python, its SDK and the engine without code of this project.
"""

from __future__ import annotations

import sys

import pulumi
from pulumi import automation as auto

NAME = "floor"


def main(count: int, folder: str) -> None:
    """Deploy `count` resources once."""

    def program() -> None:
        for number in range(count - 1):
            pulumi.ComponentResource("floor:index:Nothing", f"nothing-{number}").register_outputs({})

    options = auto.LocalWorkspaceOptions(
        work_dir=folder,
        project_settings=auto.ProjectSettings(name=NAME, runtime="python"),
        env_vars={"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": NAME,
                  "PULUMI_SKIP_UPDATE_CHECK": "true"},
    )  # fmt: skip
    stack = auto.create_or_select_stack(stack_name=NAME, project_name=NAME, program=program, opts=options)
    found = stack.up().summary.resource_changes or {}
    if sum(found.values()) != count:
        raise SystemExit(f"{found} is not {count} resources")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
