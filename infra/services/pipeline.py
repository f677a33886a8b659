"""Define the pipeline runner, which is idle until `fds run` or its schedule starts a run."""

from __future__ import annotations

from collections.abc import Mapping

from infra.services import _metabase, _runner
from infra.services._airflow import is_orchestrated
from infra.services._model import Build, Health, Resources, Service, secret
from infra.settings import Settings

SECONDS = {"hourly": 3_600, "daily": 86_400, "weekly": 604_800}
"""Seconds between two runs, by schedule."""


def _environment(settings: Settings) -> Mapping[str, str]:
    every = {} if settings.schedule == "never" else {"FDS_EVERY_S": str(SECONDS[settings.schedule])}
    return {**_runner.environment(settings), **every}


SERVICE = Service(
    name="pipeline",
    image=Build("data_stack/images/pipeline/Dockerfile"),
    wanted=lambda settings: not is_orchestrated(
        settings
    ),  # with the profile `orchestration`, the Airflow container that runs tasks replaces this service
    user="10001:10001",
    environment=_environment,
    secrets=(_runner.PASSWORD,),
    files=(secret(_runner.PASSWORD), _metabase.ACCESS),
    role=_runner.ROLE,
    databases=_runner.DATABASES,
    volumes=_runner.VOLUMES,
    tmpfs=("/tmp",),
    needs=("postgres",),
    internet=True,  # extractors may read remote sources
    resources=Resources(
        memory_mb=368,
        memory_limit_mb=1536,
        cpu=0.5,
        cpu_limit=2.0,
        disk_gb=5,
        image_mb=800,
        measured="276 MiB at the peak of a run over 200,000 rows",
    ),
    health=Health(("python", "-m", "stack_runtime.pipeline", "ready"), interval_s=10, timeout_s=10, retries=6),
    labels=_runner.LABELS,
)
