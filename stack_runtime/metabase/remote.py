"""Fill the Metabase of a deployed stack by running a command in the runner, which can reach Metabase."""

from __future__ import annotations

from docker import DockerClient

from stack_runtime.docker_host import call_runner, containers
from stack_runtime.errors import StackError
from stack_runtime.text import Say

SERVICE = "metabase"


def fill_deployed(client: DockerClient, stack: str, say: Say) -> None:
    """Fill the Metabase of `stack`, if it has one, and show what was created.

    A failure is shown too instead of being raised, because the deployment has succeeded.

    Args:
        say: called with each line to show to a person.
    """
    if not containers(client, stack, SERVICE):
        return
    try:
        filled = call_runner(client, stack, "stack_runtime.metabase")
    except StackError as error:
        say(f"Metabase has no starter content yet: {error}")
        return
    if filled["made"]:
        say(f"created in Metabase: {', '.join(filled['made'])}")
    for line in filled["left_out"]:
        say(f"left out in Metabase: {line}")
