"""Exit with 0 if a part of Airflow is healthy, else with 1: `python health.py PART`."""

from __future__ import annotations

import json
import socket
import sys
from urllib.request import urlopen

SECONDS = 8
API = "http://airflow-api-server:8080/api/v2/monitor/health"


def main(part: str) -> int:
    """Return 0 if `part` is healthy, else 1; print an error if it does not answer."""
    host = socket.gethostname()
    try:
        if part == "worker":
            healthy = _worker_answers(host)
        elif part == "flower":
            with urlopen(f"http://{host}:5555/healthcheck", timeout=SECONDS) as answer:
                healthy = answer.read() == b"OK"
        elif part == "scheduler":  # without a heartbeat, it answers 503, so `urlopen` raises an error
            with urlopen(f"http://{host}:8974/health", timeout=SECONDS) as answer:
                healthy = answer.status == 200
        elif part == "dag-processor":  # it has no open port, but the API server reports its heartbeat
            healthy = _status(API, "dag_processor")
        elif part == "migrated":  # the API server answers only when the database is migrated
            healthy = _status(API, "metadatabase")
        else:
            healthy = _status(API.replace("airflow-api-server", host), "metadatabase")
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{part} does not answer: {error}")
        return 1
    return 0 if healthy else 1


def _status(url: str, part: str) -> bool:
    with urlopen(url, timeout=SECONDS) as answer:  # noqa: S310
        status = json.load(answer)[part]["status"]
    print(f"{part} is {status}")
    return bool(status == "healthy")


def _worker_answers(host: str) -> bool:
    """Return whether the worker answers a ping through the broker; the scheduler sends tasks in the same way."""
    from data_stack.airflow.celery_app import app

    name = f"celery@{host}"
    replies = app.control.ping(destination=[name], timeout=SECONDS)
    print(f"worker replies: {replies}")
    return any(reply.get(name, {}).get("ok") == "pong" for reply in replies)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
