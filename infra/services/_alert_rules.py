"""Derive the alert rules of Prometheus from the services and the schedule. docs/operations.md explains each alert."""

from __future__ import annotations

import json
from collections.abc import Iterator

from infra.hosts import host_of
from infra.services import _container_metrics, blackbox_exporter, node_exporter, traefik
from infra.services._model import Context
from infra.services.node_exporter import FOLDER, SYSTEM_DISK
from infra.services.pipeline import SECONDS

DISK_DAYS = 3
"""An alert fires if a disk is more than half full and will be full within this many days, at the growth of the last six
hours."""
CERTIFICATE_DAYS = 14
"""An alert fires this many days before a certificate expires. Certificates of Let's Encrypt are replaced 30 days before
they expire."""
QUARANTINED = 0.01
"""Share of quarantined rows up to which no alert fires, even if the usual share is far lower."""

COST_STEPS = ((80, "info"), (90, "warning"), (100, "critical"))
"""Steps of the cost alert: planned monthly cost in percent of the budget, and severity. Only the highest step that is
reached fires."""

NEAR_LIMIT = 0.9
"""An alert fires if more than this share of memory is in use: of a service's limit, or of the whole server's memory."""

_MOUNTS = f'mountpoint=~"{SYSTEM_DISK}|{FOLDER}"'


def render(context: Context) -> str:
    """Return the rules as JSON, which is valid YAML."""
    rules = [*_services(context), *_routes(), *_server(), *_containers(context), *_pipeline(context), *_cost()]
    return json.dumps({"groups": [{"name": "fds", "rules": rules}]}, indent=1)


def _rule(name: str, expression: str, after: str, summary: str, service: str, **labels: str) -> dict[str, object]:
    """Return an alert that fires when `expression` has held for the duration `after`; `labels` are further labels."""
    return {
        "alert": name,
        "expr": expression,
        "for": after,
        "labels": {"service": service, **labels},
        "annotations": {"summary": summary},
    }


def _services(context: Context) -> Iterator[dict[str, object]]:
    """Yield alerts for each service that a gauge watches (`Metrics.watches`), and for Prometheus' targets.

    Alerts for targets fire if a target restarts repeatedly, or if Prometheus cannot scrape it.
    """
    for service in context.services:
        for gauge, watched in sorted(service.metrics.watches.items()) if service.metrics else ():
            yield _rule("ServiceDown", f"{gauge} == 0", "30s", f"{watched} does not answer", watched)
            yield _rule("ServiceRestarting", f"changes({gauge}[15m]) >= 4", "0s", f"{watched} restarts", watched)
    starts = "changes(process_start_time_seconds[15m]) > 2"
    yield _rule("ServiceRestarting", starts, "0s", "{{ $labels.job }} restarts", "{{ $labels.job }}")
    # Leave out the job of the probes: if their exporter is down, the alert for the exporter's own target is enough.
    silent = f'up{{job!="{blackbox_exporter.JOB}"}} == 0'
    yield _rule("TargetDown", silent, "1m", "{{ $labels.job }} gives no metrics", "{{ $labels.job }}")


def _routes() -> Iterator[dict[str, object]]:
    """Yield the alerts on routes and certificates.

    Alerts about the proxy have its name as the label `service`, so that Alertmanager sends one message even if they
    concern several routes.
    """
    proxy, host = traefik.SERVICE.name, "{{ $labels.host }}"
    login, page = (f'{{probe="{probe}"}}' for probe in (blackbox_exporter.LOGIN, blackbox_exporter.PAGE))
    # Count only an answer of the UI itself. The proxy answers 401 to ask for the login, 404 without a route, 429 above
    # its rate limit, and 5xx if it cannot reach the UI.
    answered = f"(probe_http_status_code{login} > 0 < 500 != 401 != 404 != 429)"
    opened = f"({answered} or probe_failed_due_to_regex{login} == 1)"
    yield _rule("RouteOpen", opened, "0s", f"{host} answers without the login", proxy)
    closed = f"probe_success{login} == 0 unless on (host) {opened}"
    yield _rule("RouteDown", closed, "2m", f"the proxy does not ask for the login at {host}", proxy)
    summary = f"{{{{ $labels.service }}}} does not answer behind {host}"
    yield _rule("RouteDown", f"probe_success{page} == 0", "2m", summary, "{{ $labels.service }}")
    days = "(probe_ssl_earliest_cert_expiry - time()) / 86400"
    summary = f'the certificate of {host} ends in {{{{ $value | printf "%.0f" }}}} days'
    yield _rule("CertificateEnds", f"{days} < {CERTIFICATE_DAYS}", "5m", summary, proxy)


def _server() -> Iterator[dict[str, object]]:
    used = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    percent = "{{ $value | humanizePercentage }}"
    yield _rule(
        "MemoryNearLimit", f"{used} > {NEAR_LIMIT}", "10m", f"{percent} of the server's memory is in use", "server"
    )
    free = f"min by (device) (node_filesystem_avail_bytes{{{_MOUNTS}}})"
    size = f"max by (device) (node_filesystem_size_bytes{{{_MOUNTS}}})"
    summary = f"{percent} of {{{{ $labels.device }}}} is free"
    yield _rule("DiskAlmostFull", f"{free} / {size} < 0.1", "5m", summary, "server")
    seconds = DISK_DAYS * 86_400
    later = f"min by (device) (predict_linear(node_filesystem_avail_bytes{{{_MOUNTS}}}[6h], {seconds}))"
    summary = f"{{{{ $labels.device }}}} will be full within {DISK_DAYS} days"
    yield _rule("DiskFillingUp", f"{later} < 0 and {free} / {size} < 0.5", "1h", summary, "server")


def _containers(context: Context) -> Iterator[dict[str, object]]:
    """Yield the alerts on memory limits and, where the host measures containers, on missing or old measurements."""
    name = "{{ $labels.service }}"
    summary = f"{{{{ $value | humanizePercentage }}}} of the memory limit of {name} is in use"
    full = f"{_container_metrics.MEMORY_SHARE} > {NEAR_LIMIT}"
    yield _rule("ServiceMemoryNearLimit", full, "5m", summary, name)
    if host_of(context.settings).measures_containers:
        # Fire this alert only while the exporter answers, because `TargetDown` fires if the exporter is down.
        old = f'up{{job="{node_exporter.SERVICE.name}"}} == 1 unless on () {_container_metrics.RECENT}'
        yield _rule("ContainersNotMeasured", old, "5m", "the containers are not measured", "server")


def _pipeline(context: Context) -> Iterator[dict[str, object]]:
    """Yield the alerts on pipeline runs; alerts on late runs and old data exist only if runs have a schedule."""
    yield _rule("PipelineRunFailed", "fds_pipeline_last_run_succeeded == 0", "0s", "the last run failed", "pipeline")
    failed = 'sum(fds_pipeline_last_run_checks{status=~"fail|error"})'
    yield _rule("CheckFailed", f"{failed} > 0", "0s", "{{ $value }} checks of the last run failed", "pipeline")
    # Leave out runs that read no rows (`> 0`), because their share of quarantined rows is 0 / 0, which is NaN. One such
    # run would make the average of a whole week NaN, and no comparison with NaN is true.
    read = '(fds_pipeline_last_run_rows{kind="read"} > 0)'
    share = f'fds_pipeline_last_run_rows{{kind="quarantined"}} / ignoring (kind) {read}'
    usual = f"avg_over_time(({share})[7d:15m])"
    summary = "{{ $value | humanizePercentage }} of the rows are in quarantine"
    unusual = f"({share}) > {QUARANTINED} and ({share}) > 3 * {usual}"
    yield _rule("QuarantineUnusual", unusual, "0s", summary, "pipeline")
    every = SECONDS.get(context.settings.schedule)
    if every is None:
        return
    # Until the first run has ended, use the time of the deployment instead, so that a runner that never works also
    # counts as late.
    ended = "(fds_pipeline_last_run_timestamp_seconds or on () fds_cost_deployed_timestamp_seconds)"
    published = "fds_pipeline_published_timestamp_seconds"
    for name, gauge, factor, summary in (
        ("PipelineLate", ended, 1.5, f"the {context.settings.schedule} run did not finish"),
        ("PipelineDataStale", published, 2, "no new data was published"),
    ):
        yield _rule(name, f"time() - {gauge} > {round(every * factor)}", "5m", summary, "pipeline")


def _cost() -> Iterator[dict[str, object]]:
    """Yield the alerts on the plan of the last deployment. If its total is unknown, there is no series and no alert."""
    share = "fds_cost_planned / fds_cost_budget"
    summary = "the plan costs {{ $value | humanizePercentage }} of the budget"
    above = [percent for percent, _ in COST_STEPS[1:]]
    for (percent, severity), end in zip(COST_STEPS, [*above, None], strict=True):
        within = f"({share}) >= {percent / 100:g}" + (f" and ({share}) < {end / 100:g}" if end else "")
        yield _rule("CostNearBudget", within, "0s", summary, "cost", severity=severity, step=f"{percent}%")
