"""Define Prometheus: it scrapes every service that declares metrics, lets the blackbox exporter probe every route, and
evaluates the alert rules.

It has no route. `fds alerts` shows the firing alerts; docs/operations.md explains how to query Prometheus.
"""

from __future__ import annotations

import json

from infra.services import _alert_rules, alertmanager, blackbox_exporter
from infra.services._model import Context, File, Health, Metrics, Resources, Service, Volume, serves

PORT = 9090
INTERVAL = "15s"
"""Time between two scrapes of a target, and between two evaluations of the rules."""

DISK_GB = 1
RETENTION_MB = DISK_GB * 750
"""Size in MiB above which Prometheus removes old metrics: 79 % of `DISK_GB`, because 750 MiB are 0.79 GB. The newest
files count towards this size, but are never removed."""

_ALERTMANAGER = f"{alertmanager.SERVICE.name}:{alertmanager.PORT}"


def _configuration(context: Context) -> str:
    """Return the configuration as JSON, which is valid YAML. Each service with metrics has a job."""
    jobs = [
        {
            "job_name": service.name,
            "metrics_path": service.metrics.path,
            "static_configs": [{"targets": [f"{service.name}:{service.metrics.port}"]}],
        }
        for service in context.services
        if service.metrics
    ]
    every = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
    configuration = {
        "global": every | {"external_labels": {"stack": context.settings.stack}},
        "rule_files": ["/run/fds/rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_ALERTMANAGER]}]}]},
        "scrape_configs": [*jobs, *blackbox_exporter.jobs(context)],
    }
    return json.dumps(configuration, indent=1)


SERVICE = Service(
    name="prometheus",
    image="prom/prometheus:v3.13.1",
    profile="monitoring",
    user="65534:65534",
    command=(
        "--config.file=/run/fds/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        f"--storage.tsdb.retention.size={RETENTION_MB}MB",
        f"--web.listen-address=:{PORT}",
    ),
    files=(File("prometheus.yml", _configuration), File("rules.yml", _alert_rules.render)),
    volumes=(Volume("prometheus", "/prometheus"),),
    metrics=Metrics(PORT),
    scrapes=True,
    resources=Resources(
        memory_mb=96,
        memory_limit_mb=256,
        cpu=0.1,
        cpu_limit=0.5,
        disk_gb=DISK_GB,
        image_mb=512,
        processes=128,
        measured="25 MiB two minutes after the start with 2,061 series; more until the first two hours are written",
    ),
    health=Health(serves(PORT, "/-/ready"), retries=24),
)
