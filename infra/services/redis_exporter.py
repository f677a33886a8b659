"""Define the exporter of Redis' metrics. It runs only in stacks with Redis."""

from __future__ import annotations

import json

from infra.services import _exporter, redis
from infra.services._airflow import has_workers
from infra.services._model import Context, File, Metrics, Service

PORT = 9121
ADDRESS = "redis://redis:6379"


def _passwords(context: Context) -> str:
    """Return the exporter's password file: password by address."""
    return json.dumps({ADDRESS: context.secrets["redis_password"]})


SERVICE = Service(
    name="redis-exporter",
    image="oliver006/redis_exporter:v1.87.0-alpine",
    profile=_exporter.PROFILE,
    wanted=lambda settings: settings.has(redis.SERVICE.profile) or has_workers(settings),
    user=_exporter.USER,
    command=(
        f"--redis.addr={ADDRESS}",
        "--redis.password-file=/run/fds/passwords.json",
        "--connection-timeout=2s",  # else a scrape would wait for a stopped Redis
        f"--web.listen-address=:{PORT}",
    ),
    secrets=("redis_password",),
    files=(File("passwords.json", _passwords),),
    needs=("redis",),
    metrics=Metrics(PORT, watches={"redis_up": "redis"}),
    resources=_exporter.resources("7 MiB at rest"),
    health=_exporter.health(PORT, "/"),  # unlike the path of the metrics, `/` does not need Redis
)
