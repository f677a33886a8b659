"""`fds up`: deploy the stack as its file describes it."""

from __future__ import annotations

import sys
import time

from fds._take_over import TakeOver, confirmed
from fds.output import AcceptHostKey, AsJson, Stack, answer, ask, say


def command(
    stack: Stack = "dev",
    take_over: TakeOver = "",
    accept_host_key: AcceptHostKey = "",
    as_json: AsJson = False,
) -> None:
    """Deploy the stack and wait until every service is healthy."""
    from infra.hosts import host_of
    from infra.operations.deploy import deploy
    from infra.stack_file import read
    from stack_runtime.paths import project_dir

    began = time.monotonic()
    settings = read(project_dir(), stack)
    host_of(settings).trust(settings, project_dir(), ask if sys.stdin.isatty() else None, accept_host_key)
    changes = confirmed(
        lambda typed: deploy(project_dir(), stack, say, watched=not as_json, take_over=typed),
        take_over,
        "This stack takes them over: their containers are replaced, their data stays",
        f"fds up --stack {stack}",
    )
    changed = sum(count for operation, count in changes.items() if operation != "same")
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        answer({"stack": stack, "changes": changes, "changed": changed, "seconds": seconds})
    else:
        say(f"{stack}: {changed} resources changed, {changes.get('same', 0)} unchanged, {seconds} s")
