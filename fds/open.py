"""`fds open`: open the UI of a service in the browser."""

from __future__ import annotations

import os
import webbrowser
from typing import Annotated

import typer

from fds.output import Stack


def command(
    service: Annotated[str, typer.Argument(help="Name of the service or of its host, such as airflow.")],
    stack: Stack = "dev",
) -> None:
    """Print the address of a service's UI, and open it if this session has a desktop."""
    from infra.component.containers import url_of
    from infra.services import selected
    from infra.stack_file import read
    from stack_runtime.errors import UsageError
    from stack_runtime.paths import project_dir

    settings = read(project_dir(), stack)
    urls = {name: url_of(each, settings) for each in selected(settings) if each.route
            for name in (each.name, each.route.host)}  # fmt: skip
    if service not in urls:
        known = ", ".join(sorted({each.route.host for each in selected(settings) if each.route}))
        raise UsageError(f"{service} has no UI in stack {stack}", next_command=f"fds open NAME, with one of {known}")
    print(urls[service])
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        webbrowser.open(urls[service])
