"""Run a command in a container and return its standard output."""

from __future__ import annotations

from typing import Any

import docker


def output_of(client: docker.DockerClient, image: str, command: list[str], **options: Any) -> str:
    """Run a command in a new container, wait for its end, remove the container, and return the standard output.

    The output is read after the end, because Docker may cut off output that is read while a short command runs.
    """
    container = client.containers.run(image, command, detach=True, **options)
    try:
        status = container.wait()["StatusCode"]
        output, errors = (container.logs(stdout=out, stderr=not out).decode() for out in (True, False))
    finally:
        container.remove(v=True, force=True)
    assert status == 0, output + errors
    return str(output)
