"""Define Airflow's API server, which serves the UI, the API, and the execution API for tasks.

It migrates Airflow's database before it starts to serve.
"""

from __future__ import annotations

from infra.services import _airflow
from infra.services._model import Resources, Route, Service

_POLICY = {
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
}

SERVICE = Service(
    name=_airflow.API_SERVER,
    image=_airflow.IMAGE,
    profile=_airflow.PROFILE,
    user=_airflow.USER,
    command=("api-server",),
    environment=_airflow.environment,
    secrets=(*_airflow.SECRETS, "airflow_agent_password", "ui_password"),
    files=(*_airflow.FILES, _airflow.PASSWORDS),
    role="airflow",
    databases=("airflow",),
    volumes=(_airflow.LOGS,),
    tmpfs=("/tmp",),
    needs=("postgres",),
    route=Route("airflow", _airflow.PORT, _POLICY),
    resources=Resources(
        memory_mb=368,
        memory_limit_mb=640,
        cpu=0.1,
        cpu_limit=1.0,
        disk_gb=5,  # the pipeline's volumes, counted once here, because all services that run tasks share them
        image_mb=1440,
        measured="267 MiB at the peak of a run, 254 MiB at rest",
        processes=256,
    ),
    health=_airflow.health("api-server"),
)
