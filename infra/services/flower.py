"""Define Flower, a read-only view of the Celery workers and their tasks."""

from __future__ import annotations

from infra.services import _airflow
from infra.services._model import Resources, Route, Service

SERVICE = Service(
    name="flower",
    image=_airflow.IMAGE,
    profile=_airflow.PROFILE,
    wanted=_airflow.has_workers,
    user=_airflow.USER,
    command=("flower",),
    environment=lambda _: {"FLOWER_MAX_TASKS": "1000", "FLOWER_READ_ONLY": "true"},
    secrets=("redis_password",),
    files=(_airflow.BROKER_URL,),
    tmpfs=("/tmp",),
    needs=("redis",),
    # Do not route these two paths, because Flower itself never requires a login for them; only the proxy would.
    route=Route("flower", 5555, {"style-src": "'self' 'unsafe-inline'"}, hidden=("/metrics", "/healthcheck")),
    resources=Resources(
        memory_mb=80,
        memory_limit_mb=192,
        cpu=0.05,
        cpu_limit=0.5,
        image_mb=1440,
        measured="60 MiB at the highest sample",
        processes=256,
    ),
    health=_airflow.health("flower"),
)
