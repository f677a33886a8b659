"""`fds alerts`: list the firing alerts, or send a test alert to every receiver."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from fds.output import AsJson, Stack, answer, say


class Action(StrEnum):
    """What `fds alerts` does: list the firing alerts, or send a test alert."""

    LIST = "list"
    TEST = "test"


def command(
    action: Annotated[Action, typer.Argument(help="list what fires, or send a test to every receiver.")] = Action.LIST,
    stack: Stack = "dev",
    as_json: AsJson = False,
) -> None:
    """List the firing alerts; with `test`, send a test alert through every receiver and show the results."""
    from infra.docker_access import daemon
    from infra.operations import alerts
    from infra.services import selected
    from infra.services._receivers import receivers
    from infra.services.alertmanager import SERVICE
    from infra.stack_file import read
    from stack_runtime.errors import UnreachableError, UsageError
    from stack_runtime.paths import project_dir

    settings = read(project_dir(), stack)
    if SERVICE.name not in {service.name for service in selected(settings)}:
        raise UsageError(f"stack {stack} has no alerts", next_command="add the profile monitoring, then fds up")
    wanted = receivers(settings)
    if action is Action.TEST and not wanted:
        raise UsageError("no receiver is set, so nothing is sent", next_command="docs/operations.md, Receivers")
    with daemon(project_dir(), stack) as client:
        if action is Action.LIST:
            found = alerts.firing(client, stack)
            answer({"stack": stack, "receivers": wanted, "firing": found}) if as_json else _show(stack, found)
            return
        say("sending a test alert; Alertmanager waits 10 s before it sends an alert")
        results = alerts.send_test(client, stack, wanted)
    if as_json:
        answer({"stack": stack, "results": results})
    else:
        for kind, problem in results.items():
            print(f"{kind}: {problem or 'accepted'}")
    if any(results.values()):
        say(f"fds: not every receiver accepted the alert; next: fds logs alertmanager --stack {stack}")
        raise typer.Exit(UnreachableError.exit_code)


def _show(stack: str, found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not found:
        console.print(f"Nothing fires in stack {stack}.")
        return
    table = Table(title=f"Stack {stack}", title_justify="left")
    for heading in ("Alert", "Service", "What", "Since"):
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(*(escape(str(row[key])) for key in ("alert", "service", "summary")), str(row["since"])[:19])
    console.print(table)
