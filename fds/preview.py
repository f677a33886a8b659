"""`fds preview`: show what `fds up` would do."""

from __future__ import annotations

from fds.output import AsJson, Stack, answer, say


def command(stack: Stack = "dev", as_json: AsJson = False) -> None:
    """Show what a deployment would change, without changing it."""
    from infra.cost.reports.text import headline
    from infra.engine.progress import Progress
    from infra.operations.preview import rehearsal
    from stack_runtime.paths import project_dir

    listener = None if as_json else say
    with rehearsal(project_dir(), stack, Progress(listener)) as look:
        changes = look.preview(listener or (lambda _: None))
    if as_json:
        answer({"stack": stack, "changes": changes})
    else:
        if look.plan:
            say(headline(look.plan))
        say(f"{stack}: " + (", ".join(f"{count} to {name}" for name, count in sorted(changes.items())) or "nothing"))
