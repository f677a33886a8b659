"""The pipeline runner: idle until `fds run` or its schedule starts a run."""

from __future__ import annotations

from collections.abc import Mapping

from infra.services._model import Build, Health, Resources, Service, Volume, secret
from infra.settings import Settings

SECONDS = {"hourly": 3_600, "daily": 86_400, "weekly": 604_800}
"""Seconds between two runs, by schedule."""


def _environment(settings: Settings) -> Mapping[str, str]:
    found = {
        "FDS_DATA_DIR": "/data",
        "FDS_ENVIRONMENT": "prod" if settings.stack == "prod" else "dev",
        "FDS_POSTGRES_HOST": "postgres",
    }
    if settings.schedule != "never":
        found["FDS_EVERY_S"] = str(SECONDS[settings.schedule])
    return found


SERVICE = Service(
    name="pipeline",
    image=Build("data_stack/images/pipeline/Dockerfile"),
    user="10001:10001",
    environment=_environment,
    secrets=("pipeline_password",),
    files=(secret("pipeline_password"),),
    role="pipeline",
    databases=("marts", "meltano"),
    # readers mount only `published`; the working files of a run are private
    volumes=(
        Volume("warehouse", "/data"),
        Volume("published", "/data/published"),
        Volume("metrics", "/data/metrics", data=False),
    ),
    tmpfs=("/tmp",),
    needs=("postgres",),
    internet=True,  # for extractors of remote sources
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
)
