"""`fds preview`: what `fds up` would do."""

from __future__ import annotations

from fds.output import AsJson, Debug, Stack, answer, say


def command(stack: Stack = "dev", as_json: AsJson = False, debug: Debug = False) -> None:
    """Show what a deployment would change, without changing it."""
    from infra.cost.text import headline
    from infra.deploy import Deployment
    from infra.progress import Progress
    from stack_runtime.paths import project_dir

    deployment = Deployment(project_dir(), stack, Progress(None if as_json else say))
    deployment.generate_secrets()  # without them the program of a new stack ends before it can say anything
    changes = deployment.preview()
    if as_json:
        answer({"stack": stack, "changes": changes})
    else:
        if deployment.plan:
            say(headline(deployment.plan))
        say(f"{stack}: " + (", ".join(f"{count} to {name}" for name, count in sorted(changes.items())) or "nothing"))
