"""`fds down`: remove the stack."""

from __future__ import annotations

from typing import Annotated

import typer

from fds.output import AsJson, Debug, Stack, answer, say


def command(
    stack: Stack = "dev",
    volumes: Annotated[bool, typer.Option("--volumes", help="Remove the data as well.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Remove every container and network of the stack; data volumes stay unless --volumes is said."""
    from infra.deploy import Deployment
    from infra.progress import Progress
    from stack_runtime.docker_host import local_docker, remove_leftovers
    from stack_runtime.paths import project_dir

    deployment = Deployment(project_dir(), stack, Progress(None if as_json else say))
    changes = deployment.down()
    removed = remove_leftovers(local_docker(), stack, volumes=volumes)
    if as_json:
        answer({"stack": stack, "changes": changes, "volumes_removed": removed["volumes"]})
    else:
        kept = "" if volumes else "; the data is kept, fds down --volumes removes it"
        say(f"{stack}: {changes.get('delete', 0)} resources removed, {len(removed['volumes'])} data volumes{kept}")
