"""Define Airflow's DAG processor, which parses the DAGs and runs their failure callbacks."""

from __future__ import annotations

from infra.services import _airflow, _receivers
from infra.services._model import Resources, Service

SERVICE = Service(
    name="airflow-dag-processor",
    image=_airflow.IMAGE,
    profile=_airflow.PROFILE,
    user=_airflow.USER,
    command=("dag-processor",),
    environment=lambda settings: {**_airflow.environment(settings), "FDS_DAG_FILES": "/tmp/dag-files"},
    secrets=_airflow.SECRETS,
    asked=_receivers.asked,
    files=(*_airflow.FILES, _airflow.NOTIFY),
    volumes=(_airflow.LOGS,),
    tmpfs=("/tmp",),
    needs=(_airflow.API_SERVER, "postgres"),
    internet=True,  # to send notifications
    resources=Resources(
        memory_mb=224,
        memory_limit_mb=448,
        cpu=0.1,
        cpu_limit=1.0,
        image_mb=1440,
        measured="160 MiB at the highest sample",
        processes=256,
    ),
    health=_airflow.health("dag-processor"),
)
