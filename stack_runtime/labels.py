"""Define the labels of a stack's Docker objects, by which commands find these objects."""

from __future__ import annotations

from stack_runtime.paths import PROJECT

PROJECT_LABEL = "fds.project"
STACK_LABEL = "fds.stack"
SERVICE_LABEL = "fds.service"
FILES_LABEL = "fds.files"
URL_LABEL = "fds.url"
RUNS_LABEL = "fds.runs"
"""Label of each container in which the pipeline can be started: a container of the service `pipeline` or of Airflow.

The value of the label is `pipeline`.
"""


def of_stack(stack: str) -> dict[str, str]:
    """Return the labels that every container, network and volume of `stack` has."""
    return {PROJECT_LABEL: PROJECT, STACK_LABEL: stack}


def filter_of(stack: str) -> dict[str, str | list[str] | bool]:
    """Return the filter that makes Docker list only objects with the labels of `stack`."""
    return {"label": [f"{label}={value}" for label, value in of_stack(stack).items()]}


def of_service(stack: str, service: str) -> dict[str, str]:
    """Return the labels that each container of `service` has."""
    return {**of_stack(stack), SERVICE_LABEL: service}


def container_name(stack: str, service: str, replica: int = 0) -> str:
    """Return the name of a container's Pulumi resource; the name of the container in Docker starts with this name.

    Args:
        replica: number of the container among the equal containers of the service; 0 for the first container.
    """
    return f"{stack}-{service}-{replica}" if replica else f"{stack}-{service}"
