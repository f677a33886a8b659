"""Call version 2 of Airflow's REST API: list runs, read logs, start a run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
from pydantic import TypeAdapter, ValidationError

from agents.changes.jobs import DagId
from agents.tools.result import MAX_CHARACTERS, last_lines
from stack_runtime.errors import UnreachableError, UsageError
from stack_runtime.text import log_line, shortened

URL, USER, PASSWORD_FILE = "FDS_AIRFLOW_URL", "FDS_AIRFLOW_USER", "FDS_AIRFLOW_PASSWORD_FILE"
SECONDS = 15.0
MAX_BYTES = 1_000_000
"""Maximum size of a response, in bytes."""
MAX_RUNS = 25
LOG_LINES = 200
_DAG_ID: TypeAdapter[str] = TypeAdapter(DagId)


@dataclass
class Airflow:
    """A client of one Airflow server; it requests one JWT and uses it for all calls.

    A language model can choose neither URL nor user.
    """

    url: str
    user: str
    password: str = field(repr=False)
    _token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> Airflow:
        """Return a client for the Airflow server that the environment variables `FDS_AIRFLOW_…` name.

        Raises:
            UnreachableError: a variable or the password file is missing.
        """
        try:
            password = Path(os.environ[PASSWORD_FILE]).read_text(encoding="utf-8").strip()
            return cls(os.environ[URL].rstrip("/"), os.environ[USER], password)
        except (KeyError, OSError):
            what = f"Airflow is not configured: set {URL}, {USER} and {PASSWORD_FILE}"
            raise UnreachableError(what, next_command="fds run, which needs no Airflow") from None

    @classmethod
    def of_stack(cls, project: Path, stack: str) -> Airflow:
        """Return a client for the API server of `stack`.

        If an environment variable `FDS_AIRFLOW_…` is set, return the client of `from_environment` instead.
        """
        if any(name in os.environ for name in (URL, USER, PASSWORD_FILE)):
            return cls.from_environment()
        return StackAirflow(f"stack {stack}", "agent", "", project=project, stack=stack)

    def runs(self, dag_id: str | None = None) -> list[dict[str, Any]]:
        """Return the last runs of one DAG, or of all DAGs if `dag_id` is None: DAG, run, state, times, duration."""
        path = f"/dags/{_dag(dag_id) if dag_id else '~'}/dagRuns?limit={MAX_RUNS}&order_by=-run_after"
        kept = ("dag_id", "dag_run_id", "state", "run_type", "run_after", "start_date", "end_date", "duration")
        return [{key: run.get(key) for key in kept} for run in self._call("GET", path)["dag_runs"]]

    def logs(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """Return the last log lines of each task of a run; no lines for a task that has not started.

        If Airflow refuses the log of a task, its only line is the reason. This happens, for example, if the task is
        started again between two requests.
        """
        run = f"/dags/{_dag(dag_id)}/dagRuns/{_segment(run_id)}/taskInstances"
        tasks = self._call("GET", run)["task_instances"]
        found = {}
        for task in tasks:
            number = int(task["try_number"])  # 0 for a task that has not been queued yet; it has no log
            path = f"{run}/{_segment(task['task_id'])}/logs/{number}?map_index={int(task['map_index'])}"
            lines = self._log_of_try(path) if number else []
            name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"
            found[name] = lines[-LOG_LINES:]
        with_lines = sum(map(bool, found.values()))
        characters = MAX_CHARACTERS // (2 * max(1, with_lines))  # the other half is for the task names
        return {name: last_lines(lines, characters) for name, lines in found.items()}

    def _log_of_try(self, path: str) -> list[str]:
        try:
            return [log_line(line) for line in self._call("GET", path).get("content", [])]
        except UsageError as refused:
            return [refused.what]

    def trigger(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Start a run with the id `run_id`; Airflow accepts each id once.

        Raises:
            UsageError: the DAG is unknown, or the id was used before.
        """
        body = {"dag_run_id": run_id, "logical_date": None}
        run = self._call("POST", f"/dags/{_dag(dag_id)}/dagRuns", body)
        return {"dag_id": run["dag_id"], "dag_run_id": run["dag_run_id"], "state": run["state"]}

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._token:
            self._token = self._log_in()
        status, answer = self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})
        if status in (401, 403):
            raise UnreachableError(f"Airflow does not allow {self.user} to do this", next_command=f"correct {USER}")
        if status in (404, 409, 422):
            raise UsageError(f"Airflow refuses: {shortened(answer.get('detail', status))}", next_command="airflow_runs")
        if status >= 400:
            raise UnreachableError(
                f"Airflow answers with the status {status}", where=self.url, next_command="look at Airflow's logs"
            )
        return answer

    def _log_in(self) -> str:
        status, answer = self._send("POST", "/auth/token", {"username": self.user, "password": self.password}, {})
        if status >= 400 or not isinstance(answer.get("access_token"), str):
            raise UnreachableError(
                f"Airflow rejects {self.user} with this password", where=self.url, next_command=f"correct {USER}"
            )
        return str(answer["access_token"])

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; return status and JSON. Do not follow redirects, as their target would get the token."""
        headers = {"Accept": "application/json", **headers}
        try:
            with httpx.stream(method, self.url + path, json=body, headers=headers, timeout=SECONDS) as response:
                data = b""
                for block in response.iter_bytes():
                    data += block
                    if len(data) > MAX_BYTES:
                        raise UsageError("Airflow's answer is too long", next_command="ask for less")
                return response.status_code, _json(data)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Airflow does not answer: {shortened(error)}", where=self.url, next_command=f"correct {URL}"
            ) from None


@dataclass
class StackAirflow(Airflow):
    """A client that runs its requests in the container of the stack's API server; this container has the password."""

    project: Path = Path()
    stack: str = ""

    def _log_in(self) -> str:
        return "in the container"

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        from infra.docker_access import daemon
        from stack_runtime.airflow import api_server, request

        with daemon(self.project, self.stack) as client:
            return request(api_server(client, self.stack), method, path.removeprefix("/api/v2"), body)


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        raise UnreachableError("the server that answers is not Airflow", next_command=f"correct {URL}") from None
    return answer if isinstance(answer, dict) else {}


def _dag(dag_id: str) -> str:
    try:
        return _segment(_DAG_ID.validate_python(dag_id))
    except ValidationError:
        raise UsageError("the name of the DAG is invalid", next_command="airflow_runs") from None


def _segment(text: str) -> str:
    """Quote one segment of a URL path; refuse `.` and `..`, because they cannot be quoted."""
    if text in (".", ".."):
        raise UsageError("the name is invalid", next_command="airflow_runs")
    return quote(text, safe="")
