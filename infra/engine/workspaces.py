"""Define workspaces of the Automation API that do not change which stack the user has selected."""

from __future__ import annotations

from pulumi import automation as auto


class ReadingWorkspace(auto.LocalWorkspace):
    """Workspace that never runs `stack select`: each command names its stack, and the user's selection stays."""

    def select_stack(self, stack_name: str) -> None:
        if not any(stack.name == stack_name for stack in self.list_stacks()):
            raise auto.StackNotFoundError(auto.CommandResult("", f"no stack named '{stack_name}' found", 255))


class ScratchWorkspace(auto.LocalWorkspace):
    """Workspace in a temporary folder. A new stack is not selected, so the engine records nothing about this folder."""

    def create_stack(self, stack_name: str) -> None:
        words = ["stack", "init", stack_name, "--no-select"]
        self.pulumi_command.run(words, self.work_dir, self.env_vars)
