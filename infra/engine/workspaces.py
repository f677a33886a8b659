"""Open a stack with the Automation API, for commands that must not change which stack is selected."""

from __future__ import annotations

from pulumi import automation as auto


class ReadingWorkspace(auto.LocalWorkspace):
    """Workspace that never runs `stack select`: each command names its stack, and the user's selection stays."""

    def select_stack(self, stack_name: str) -> None:
        if not any(stack.name == stack_name for stack in self.list_stacks()):
            raise auto.StackNotFoundError(auto.CommandResult("", f"no stack named '{stack_name}' found", 255))


class ScratchWorkspace(auto.LocalWorkspace):
    """Workspace in a temporary folder, for which the engine must not record a selected stack."""

    def create_stack(self, stack_name: str) -> None:
        words = ["stack", "init", stack_name, "--no-select"]
        self.pulumi_command.run(words, self.work_dir, self.env_vars)
