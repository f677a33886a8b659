"""Metrics of Redis, where it runs."""

from __future__ import annotations

import json

from infra.services import redis
from infra.services._airflow import has_workers
from infra.services._model import Context, File, Health, Metrics, Resources, Service, serves

PORT = 9121
ADDRESS = "redis://redis:6379"


def _passwords(context: Context) -> str:
    """Return the exporter's password file: password by address."""
    return json.dumps({ADDRESS: context.secrets["redis_password"]})


SERVICE = Service(
    name="redis-exporter",
    image="oliver006/redis_exporter:v1.87.0-alpine",
    profile="monitoring",
    wanted=lambda settings: settings.has(redis.SERVICE.profile) or has_workers(settings),
    user="65534:65534",
    command=(
        f"--redis.addr={ADDRESS}",
        "--redis.password-file=/run/fds/passwords.json",
        "--connection-timeout=2s",  # as in the exporter of PostgreSQL
        f"--web.listen-address=:{PORT}",
    ),
    secrets=("redis_password",),
    files=(File("passwords.json", _passwords),),
    needs=("redis",),
    metrics=Metrics(PORT, watches={"redis_up": "redis"}),
    resources=Resources(
        memory_mb=16,
        memory_limit_mb=64,
        cpu=0.05,
        cpu_limit=0.25,
        image_mb=160,
        processes=128,
        measured="7 MiB at rest",
    ),
    health=Health(serves(PORT, "/"), interval_s=10),  # not the metrics: they wait for Redis
)
