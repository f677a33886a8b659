"""Run the profile `orchestration`: each part of Airflow in a container, with PostgreSQL and, for Celery, Redis."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from docker.models.containers import Container

from agents.tools.airflow import Airflow
from data_stack.samples.generate import write
from fds import init
from infra.build_context import context_dir
from infra.services._airflow import API_SERVER, PORT
from stack_runtime.airflow import request
from stack_runtime.content import content_dir
from stack_runtime.docker_exec import execute
from stack_runtime.errors import UnreachableError
from stack_runtime.measure import watch
from tests.kit.ports import free_ports
from tests.kit.project import ROOT, SAMPLE
from tests.kit.service import Running, together

HEALTHY_S = 240.0


@dataclass
class Orchestration:
    """The running services by name, with functions that call the pipeline and Airflow in them."""

    services: dict[str, Running]

    @property
    def runner(self) -> Running:
        """Return the service that runs Airflow's tasks."""
        return next(self.services[name] for name in ("airflow-worker", "airflow-local") if name in self.services)

    @property
    def airflow(self) -> Airflow:
        server = self.services[API_SERVER]
        return Airflow(f"http://{server.address}:{PORT}", "agent", server.context.secrets["airflow_agent_password"])

    def land(self, name: str, content: bytes) -> None:
        """Put a file into the landing folder."""
        land(self.runner.container, name, content)

    def pipeline(self, *words: str, environment: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Run the pipeline in the container that runs the tasks. Returns: the exit code and the printed JSON."""
        command = ["python", "-m", "stack_runtime.pipeline", *words]
        done = execute(self.runner.container, command, environment)
        assert done.out, done.err
        return done.code, json.loads(done.out)

    def publish_sample(self) -> None:
        """Run the pipeline with the sample, without Airflow."""
        self.land("transactions.csv", SAMPLE.read_bytes())
        code, run = self.pipeline("run", "--json")
        assert code == 0, run

    def call_airflow_python(self, program: str) -> Any:
        """Run a Python program in Airflow's virtual environment. Returns: the JSON in the last printed line."""
        dag_processor = self.services["airflow-dag-processor"].container
        done = execute(dag_processor, ["/app/.venvs/airflow/bin/python", "-c", program])
        assert done.code == 0, done.err
        return json.loads(done.out.splitlines()[-1])

    def state(self, run_id: str) -> str:
        """Return the state of a run of the DAG `pipeline`, or an empty string while the API server does not answer."""
        try:
            return {run["dag_run_id"]: str(run["state"]) for run in self.airflow.runs("pipeline")}[run_id]
        except UnreachableError:
            return ""

    def ended(self, run_id: str, seconds: float = 420) -> str:
        """Wait for the end of a DAG run, and return its state."""
        wait_for(lambda: self.state(run_id) in ("success", "failed"), seconds, lambda: self.logs_of(run_id))
        return self.state(run_id)

    def tries(self, run_id: str) -> dict[str, int]:
        """Return how often each task of a DAG run was started."""
        path = f"/dags/pipeline/dagRuns/{quote(run_id)}/taskInstances"
        _, answer = request(self.services[API_SERVER].container, "GET", path)
        return {task["task_id"]: int(task["try_number"]) for task in answer["task_instances"]}

    def logs_of(self, run_id: str) -> str:
        """Return the end of the logs of a DAG run's tasks, for the message of a failed test."""
        return json.dumps(self.airflow.logs("pipeline", run_id), indent=1)[-6000:]


def land(container: Container, name: str, content: bytes) -> None:
    """Put a file into the landing folder, through a container that runs tasks and mounts the folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.uid, entry.gid, entry.mode = len(content), 10001, 10001, 0o600
        tar.addfile(entry, io.BytesIO(content))
    container.put_archive("/data/landing", archive.getvalue())


def is_pipeline_parsed(server: Container) -> bool:
    """Return whether the DAG processor has parsed the DAG `pipeline`. Its health check passes even before that."""
    status, _ = request(server, "GET", "/dags/pipeline")
    return status == 200


def wait_for(condition: Callable[[], bool], seconds: float, describe: Callable[[], str]) -> None:
    """Wait until `condition` holds; after `seconds`, fail with the text that `describe` returns."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.5)


def assert_large_run_stays_within_reservations(stack: Orchestration) -> None:
    """Assert that no service uses more memory than it reserves during a run of 200,000 rows; print the use in MiB."""
    content = io.StringIO()
    write(content, 200_000)
    stack.land("large.csv", content.getvalue().encode())

    def run() -> None:
        stack.airflow.trigger("pipeline", "large")
        stack.ended("large", 500)

    uses = watch(stack.runner.client, stack.runner.context.settings.stack, run)
    assert stack.state("large") == "success", stack.logs_of("large")
    reserved = {name: found.service.resources.memory_mb for name, found in stack.services.items()}
    for name, use in uses.items():
        print(f"{name}: {use.idle_mb:.0f} at rest, {use.peak_mb:.0f} at the peak, {reserved[name]} reserved")
    assert not {name: use.peak_mb for name, use in uses.items() if use.peak_mb > reserved[name]}


@contextmanager
def orchestration(
    values: Mapping[str, object], context: Path = ROOT, disk: Path | None = None
) -> Iterator[Orchestration]:
    """Run the services of the profile, except the dashboard, and yield them when all are healthy.

    PostgreSQL, Redis (for Celery) and the API server start one after another, then the others at the same time.

    Args:
        values: further settings of the stack.
        context: build context of the images.
        disk: folder that gets the content of all volumes.
    """
    ports = free_ports()
    with together(
        {"profiles": ["orchestration"], **ports, **values}, without=["streamlit"], context=context, disk=disk
    ) as services:
        first = ("postgres", "redis", API_SERVER)
        for name in (each for each in first if each in services):
            services[name].container.start()
            assert services[name].becomes_healthy(HEALTHY_S), services[name].logs()
        others = [service for name, service in services.items() if name not in first]
        for service in others:
            service.container.start()
        for service in others:
            assert service.becomes_healthy(HEALTHY_S), f"{service.service.name}: {service.logs()}"
        wait_for(
            lambda: is_pipeline_parsed(services[API_SERVER].container), 120, services["airflow-dag-processor"].logs
        )
        for service in services.values():  # Docker must restart the scheduler, which exits if PostgreSQL is stopped
            service.container.update(restart_policy={"Name": "unless-stopped"})
        yield Orchestration(services)


def context_of_project(folder: Path, dags: Mapping[str, str]) -> Path:
    """Create a demo project in `folder / "mine"`, add these DAG files, and return the build context of its images.

    The project gets the sources of this repository, with the same `project_id`, so that Docker has cached most layers.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDS_CACHE_DIR", str(folder / "cache"))
        patch.chdir(folder)
        init.command("mine", demo=True)
        patch.chdir(folder / "mine")
        shutil.copyfile(ROOT / "data_stack" / "meltano" / "meltano.yml", content_dir() / "meltano" / "meltano.yml")
        for name, text in dags.items():
            (content_dir() / "airflow" / "dags" / name).write_text(text)
        return context_dir()


@pytest.fixture(scope="package")
def celery() -> Iterator[Orchestration]:
    with orchestration({"executor": "celery"}) as found:
        yield found


@pytest.fixture(scope="package")
def celery_with_data(celery: Orchestration) -> Orchestration:
    """Return a stack that has published the sample."""
    celery.publish_sample()
    return celery


def csv_of(first: int, count: int) -> bytes:
    """Return a CSV file with `count` consecutive ids, starting at `first`; the sample has none of these ids."""
    lines = [f"x{n},2026-01-{n % 28 + 1:02},C{n % 7},10.50,EUR,consulting,hours" for n in range(first, first + count)]
    return "\n".join(["id,date,customer_id,amount,currency,category,description", *lines, ""]).encode()
