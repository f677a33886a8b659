"""`fds drift`: show what was changed outside of the stack."""

from __future__ import annotations

from fds.output import AsJson, Stack, answer, say


def command(stack: Stack = "dev", as_json: AsJson = False) -> None:
    """Compare what really runs with what was deployed; exit with 1 if they differ, with 5 if nothing is deployed.

    fds up restores missing or stopped containers and, for a server, its firewall, protections, backups and volume.
    """
    from infra.engine.progress import Progress
    from infra.operations.preview import ReadOnlyOperations
    from stack_runtime.paths import project_dir

    changes = ReadOnlyOperations(project_dir(), stack, Progress(None if as_json else say)).drift()
    drifted = sum(count for operation, count in changes.items() if operation not in ("same", "refresh", "read"))
    if as_json:
        answer({"stack": stack, "changes": changes, "drifted": drifted})
    else:
        say(f"{stack}: {drifted} resources differ from what was deployed")
    if drifted:
        raise SystemExit(1)
