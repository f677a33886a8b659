"""Fill the Metabase of a deployed stack: in its runner, which reaches Metabase over the stack's network."""

from __future__ import annotations

import json
from collections.abc import Callable

from docker import DockerClient
from docker.errors import APIError

from stack_runtime.docker_host import containers, runner
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.metabase.starter import Filled

SERVICE = "metabase"


def fill_deployed(client: DockerClient, stack: str, say: Callable[[str], None]) -> None:
    """Fill the Metabase of `stack`, if it has one. What fails is reported and raises no error: the stack is deployed.

    Args:
        say: takes a line for a person.
    """
    if not containers(client, stack, SERVICE):
        return
    try:
        filled = _fill(client, stack)
    except StackError as error:
        say(f"Metabase has no starter content yet: {error}")
        return
    if filled.made:
        say(f"made in Metabase: {', '.join(filled.made)}")
    for line in filled.left_out:
        say(f"left out in Metabase: {line}")


def _fill(client: DockerClient, stack: str) -> Filled:
    try:
        code, out = runner(client, stack).exec_run(["python", "-m", "stack_runtime.metabase"], stderr=False)
        answer = json.loads(b"".join([out] if isinstance(out, bytes) else out))
        if code:
            raise StackError.from_json(answer)
        return Filled(list(answer["made"]), list(answer["left_out"]))
    except (APIError, ValueError, KeyError, TypeError) as error:
        raise UnreachableError(f"the runner gives no answer: {error}", next_command=f"fds logs {SERVICE}") from None
