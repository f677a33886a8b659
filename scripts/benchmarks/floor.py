"""Deploy a program that only registers empty components, to measure the least time that the Pulumi engine needs.

`python -m scripts.benchmarks.floor COUNT FOLDER` deploys COUNT resources through the Automation API: the stack itself,
which is a resource for Pulumi, and COUNT - 1 empty components. The engine, the kind of backend and the encryption are
the same as those of `fds up`. The program uses no provider and no code of this project, so the measured time is the
time of Python, Pulumi's SDK and the engine.
"""

from __future__ import annotations

import sys

import pulumi
from pulumi import automation as auto

NAME = "floor"


def main(count: int, folder: str) -> None:
    """Deploy `count` resources once; `folder` stores the state of the engine."""

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
        raise SystemExit(f"the deployment has the resources {found}, not {count}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
