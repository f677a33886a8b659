"""Run a command in a container and return everything that it prints."""

from __future__ import annotations

from typing import Any

import docker


def output_of(client: docker.DockerClient, image: str, command: list[str], **options: Any) -> str:
    """Run the command, wait for its end, and remove the container. Returns: its standard output.

    The output is read after the end: Docker may cut the output of a short command if it is read meanwhile.
    """
    container = client.containers.run(image, command, detach=True, **options)
    try:
        status = container.wait()["StatusCode"]
        output, errors = (container.logs(stdout=out, stderr=not out).decode() for out in (True, False))
    finally:
        container.remove(v=True, force=True)
    assert status == 0, output + errors
    return str(output)
