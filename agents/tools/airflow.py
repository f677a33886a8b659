"""Airflow's REST API, version 2, with the JWT that it issues: DAGs and runs, logs, and a run that is started."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
from pydantic import TypeAdapter, ValidationError

from agents.jobs import DagId
from stack_runtime.errors import UnreachableError, UsageError

URL, USER, PASSWORD_FILE = "FDS_AIRFLOW_URL", "FDS_AIRFLOW_USER", "FDS_AIRFLOW_PASSWORD_FILE"
SECONDS = 15.0
MOST_BYTES = 1_000_000
"""Of one answer."""
MOST_RUNS = 25
LOG_LINES = 200
_DAG_ID: TypeAdapter[str] = TypeAdapter(DagId)


@dataclass
class Airflow:
    """One Airflow, for as long as one question takes: its token is asked for once.

    Its address and the user come from settings, never from a model.
    """

    url: str
    user: str
    password: str = field(repr=False)
    _token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> Airflow:
        """The Airflow that the environment names.

        Raises:
            UnreachableError: it names none.
        """
        try:
            password = Path(os.environ[PASSWORD_FILE]).read_text(encoding="utf-8").strip()
            return cls(os.environ[URL].rstrip("/"), os.environ[USER], password)
        except (KeyError, OSError):
            what = f"no Airflow is set: {URL}, {USER} and {PASSWORD_FILE} name it"
            raise UnreachableError(what, next_command="fds run, which needs no Airflow") from None

    def runs(self, dag_id: str | None = None) -> list[dict[str, Any]]:
        """The last runs, of one DAG or of all: DAG, run, state, when, and how long."""
        where = f"/dags/{_dag(dag_id) if dag_id else '~'}/dagRuns?limit={MOST_RUNS}&order_by=-run_after"
        kept = ("dag_id", "dag_run_id", "state", "run_type", "run_after", "start_date", "end_date", "duration")
        return [{key: run.get(key) for key in kept} for run in self._ask("GET", where)["dag_runs"]]

    def logs(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """The last lines that each task of a run logged."""
        run = f"/dags/{_dag(dag_id)}/dagRuns/{_segment(run_id)}/taskInstances"
        found = {}
        for task in self._ask("GET", run)["task_instances"]:
            where = (
                f"{run}/{_segment(task['task_id'])}/logs/{int(task['try_number'])}?map_index={int(task['map_index'])}"
            )
            lines = self._ask("GET", where).get("content", [])
            name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"
            found[name] = [_line(line) for line in lines][-LOG_LINES:]
        return found

    def trigger(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Start the run `run_id`; Airflow itself takes a name only once.

        Raises:
            UsageError: there is no such DAG, or there is a run of that name.
        """
        body = {"dag_run_id": run_id, "logical_date": None}
        run = self._ask("POST", f"/dags/{_dag(dag_id)}/dagRuns", body)
        return {"dag_id": run["dag_id"], "dag_run_id": run["dag_run_id"], "state": run["state"]}

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._token:
            self._token = self._log_in()
        status, answer = self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})
        if status in (401, 403):
            raise UnreachableError(f"Airflow does not let {self.user} do this", next_command=f"correct {USER}")
        if status in (404, 409, 422):
            raise UsageError(f"Airflow refuses: {_short(answer.get('detail', status))}", next_command="airflow_runs")
        if status >= 400:
            raise UnreachableError(
                f"Airflow fails with {status}", where=self.url, next_command="look at Airflow's logs"
            )
        return answer

    def _log_in(self) -> str:
        status, answer = self._send("POST", "/auth/token", {"username": self.user, "password": self.password}, {})
        if status >= 400 or not isinstance(answer.get("access_token"), str):
            raise UnreachableError(
                f"Airflow does not know {self.user} with this password", where=self.url, next_command=f"correct {USER}"
            )
        return str(answer["access_token"])

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request; no redirect is followed, for the token would go along."""
        headers = {"Accept": "application/json", **headers}
        try:
            with httpx.stream(method, self.url + path, json=body, headers=headers, timeout=SECONDS) as response:
                data = b""
                for block in response.iter_bytes():
                    data += block
                    if len(data) > MOST_BYTES:
                        raise UsageError("Airflow's answer is too long", next_command="ask for less")
                return response.status_code, _json(data)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Airflow does not answer: {_short(error)}", where=self.url, next_command=f"correct {URL}"
            ) from None


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        raise UnreachableError("what answers is no Airflow", next_command=f"correct {URL}") from None
    return answer if isinstance(answer, dict) else {}


def _dag(dag_id: str) -> str:
    try:
        return _segment(_DAG_ID.validate_python(dag_id))
    except ValidationError:
        raise UsageError("that is no name of a DAG", next_command="airflow_runs") from None


def _segment(text: str) -> str:
    """One part of a path, in which nothing means anything; `.` and `..` would."""
    if text in (".", ".."):
        raise UsageError("that is no name", next_command="airflow_runs")
    return quote(text, safe="")


def _line(line: Any) -> str:
    """A line of a log; structured ones say their time, level and event, and which exception ended the task."""
    if not isinstance(line, dict):
        return str(line)
    said = [str(line[key]) for key in ("timestamp", "level", "event") if line.get(key)]
    ended = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or []]
    return " ".join(said + ended)


def _short(what: object) -> str:
    return "".join(c for c in " ".join(str(what).split()) if c.isprintable())[:200]
