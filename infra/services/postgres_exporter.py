"""Define the exporter of PostgreSQL's metrics. Its database role may read statistics but no data."""

from __future__ import annotations

from infra.services import _exporter
from infra.services._model import Metrics, Service, secret

PORT = 9187

SERVICE = Service(
    name="postgres-exporter",
    image="prometheuscommunity/postgres-exporter:v0.19.1",
    profile=_exporter.PROFILE,
    user=_exporter.USER,
    command=(f"--web.listen-address=:{PORT}",),
    environment=lambda _: {
        # Set a timeout of two seconds. Without it, a scrape would wait for a stopped container, and `pg_up` would not
        # become 0.
        "DATA_SOURCE_URI": "postgres:5432/postgres?sslmode=disable&connect_timeout=2",
        "DATA_SOURCE_USER": "metrics",
        "DATA_SOURCE_PASS_FILE": "/run/fds/metrics_password",
    },
    secrets=("metrics_password",),
    files=(secret("metrics_password"),),
    role="metrics",
    member_of=("pg_monitor",),
    needs=("postgres",),
    metrics=Metrics(PORT, watches={"pg_up": "postgres"}),
    resources=_exporter.resources("8 MiB at rest"),
    health=_exporter.health(PORT, "/"),  # unlike the path of the metrics, `/` does not need PostgreSQL
)
