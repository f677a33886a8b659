"""Send requests to a stack's Airflow from inside its container, so the caller needs no address, port or password."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import containers, running
from stack_runtime.errors import UnreachableError

API_SERVER = "airflow-api-server"
DAG_PROCESSOR = "airflow-dag-processor"
_PAGE = 100
"""Number of entries in one page of a list; Airflow returns at most this number."""
_REQUEST = ["python", "/app/data_stack/airflow/request.py"]


def api_server(client: docker.DockerClient, stack: str) -> Container:
    """Return the running container of the stack's Airflow API server.

    Raises:
        UnreachableError: the API server is not running.
    """
    return running(client, stack, API_SERVER)


def request(
    server: Container, method: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send one request to version 2 of Airflow's API. Returns: status and JSON of the response.

    Args:
        path: path of the request below `/api/v2`, including the query string.
        body: JSON body of the request; None to send no body.

    Raises:
        UnreachableError: the API server does not answer.
    """
    command = [*_REQUEST, method, path, *([json.dumps(body)] if body is not None else [])]
    try:
        done = execute(server, command)
        if done.code == 0:
            answer = json.loads(done.out)
            return int(answer["status"]), dict(answer["body"])
        reason = done.err.decode(errors="replace").strip()[-200:] or f"exit code {done.code}"
    except (APIError, ValueError, KeyError, TypeError) as error:
        reason = str(error)[:200]
    raise UnreachableError(f"Airflow does not answer: {reason}", next_command=f"fds logs {API_SERVER}")


def is_deployed(client: docker.DockerClient, stack: str) -> bool:
    """Return whether the stack has a container of the Airflow API server, running or not."""
    return bool(containers(client, stack, API_SERVER))


def latest_runs(server: Container, count: int = 5) -> list[dict[str, Any]]:
    """Return the last `count` runs, of any DAG, newest first: `{dag_id, dag_run_id, state, start_date, end_date}`.

    Raises:
        UnreachableError: the API server does not answer.
    """
    _, answer = request(server, "GET", f"/dags/~/dagRuns?limit={count}&order_by=-run_after")
    kept = ("dag_id", "dag_run_id", "state", "start_date", "end_date")
    return [{key: run.get(key) for key in kept} for run in answer.get("dag_runs", [])]


def _all(server: Container, path: str, key: str) -> list[dict[str, Any]]:
    """Return the entries of all pages of a list; `key` is the name of the list in the response."""
    found: list[dict[str, Any]] = []
    while True:
        _, answer = request(server, "GET", f"{path}?limit={_PAGE}&offset={len(found)}")
        entries = answer.get(key, [])
        found += entries
        if len(entries) < _PAGE:
            return found


def import_errors(server: Container) -> list[tuple[str, str]]:
    """Return the DAG files that cannot be imported, each with the last line of its error.

    Raises:
        UnreachableError: the API server does not answer.
    """
    return [
        (str(item["filename"]), (str(item["stack_trace"]).strip().splitlines() or [""])[-1])
        for item in _all(server, "/importErrors", "import_errors")
    ]


def are_parsed(server: Container, processor: Container) -> bool:
    """Return whether there are DAGs and all of them were parsed after the container `processor` started.

    If not, the result of `import_errors` may be outdated.

    Raises:
        UnreachableError: the API server does not answer.
    """
    times = [str(dag.get("last_parsed_time")) for dag in _all(server, "/dags", "dags")]
    try:
        started = datetime.fromisoformat(processor.attrs["State"]["StartedAt"])
        return bool(times) and all(datetime.fromisoformat(each) >= started for each in times)
    except (ValueError, TypeError):  # a DAG that was never parsed has no time
        return False
