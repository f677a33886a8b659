"""Build the dashboards of Grafana. No dashboard names a mart, so they work in any project."""

from __future__ import annotations

import json
from collections.abc import Callable

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, Panel

from infra.hosts import host_of
from infra.services import _container_metrics, redis_exporter
from infra.services import _grafana_sql as sql
from infra.services._alert_rules import CERTIFICATE_DAYS, NEAR_LIMIT
from infra.services._grafana_panels import UP_OR_DOWN, WIDTH, Metric, Sql, chart, figures, rows, timeline
from infra.services._model import Context
from infra.services.node_exporter import FOLDER, SYSTEM_DISK

_TAG = "fds"
_ROUTES = "min by (host) (probe_success)"
_DISKS = f'{{mountpoint=~"{SYSTEM_DISK}|{FOLDER}"}}'
_DATABASES = '{datname!~"|template.*"}'
_PER_SECOND = "[$__rate_interval]"
_OF_CONTAINERS = "[5m]"
"""Time range for rates of containers. They are measured every 30 seconds, so a range of one minute, which Grafana would
choose, has one or two measurements, and the rate would be wrong by a third."""


def render(name: str, context: Context) -> str:
    """Return the dashboard `name` as Grafana's JSON."""
    return json.dumps(_DASHBOARDS[name](context).build(), cls=JSONEncoder, indent=1, sort_keys=True)


def _new(name: str, title: str, since: str) -> Dashboard:
    """Return an empty dashboard for the time from `since` to now, with links to the other dashboards."""
    links = DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([_TAG]).keep_time(True)
    return (
        Dashboard(title)
        .uid(f"{_TAG}-{name}")
        .tags([_TAG])
        .link(links)
        .readonly()
        .refresh("1m")
        .time(since, "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )


def _services(context: Context) -> Dashboard:
    watches = {gauge: name for one in context.services if one.metrics for gauge, name in one.metrics.watches.items()}
    watched = [Metric(gauge, name, newest=True) for gauge, name in sorted(watches.items())]
    alerts = Metric('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts", newest=True)
    requests = f'sum by (code) (rate(traefik_entrypoint_requests_total{{entrypoint="websecure"}}{_PER_SECOND}))'
    found = (
        _new("services", "Services", "now-6h")
        .with_panel(figures("Firing alerts", alerts, critical=1))
        .with_panel(figures("Databases", *watched, meaning=UP_OR_DOWN, width=6))
        .with_panel(
            figures("Targets of Prometheus", Metric("up", "{{job}}", newest=True), meaning=UP_OR_DOWN, width=14)
        )
        .with_panel(timeline("Targets of Prometheus, over time", Metric("up", "{{job}}"), meaning=UP_OR_DOWN))
        .with_panel(figures("Routes", Metric(_ROUTES, "{{host}}", newest=True), meaning=UP_OR_DOWN, width=12))
        .with_panel(
            figures(
                "Days until the certificate ends",
                Metric("(min by (host) (probe_ssl_earliest_cert_expiry) - time()) / 86400", "{{host}}", newest=True),
                least=CERTIFICATE_DAYS,
                width=12,
            )
        )
        .with_panel(timeline("Routes, over time", Metric(_ROUTES, "{{host}}"), meaning=UP_OR_DOWN))
        .with_panel(chart("Requests to the proxy by status", Metric(requests, "{{code}}"), unit="reqps", stacked=True))
        .with_panel(
            chart(
                "Memory of processes",
                Metric("process_resident_memory_bytes", "{{job}}"),
                unit="bytes",
                description="Shown for services that report it themselves, and only for their main process.",
            )
        )
    )
    if any(service.name == redis_exporter.SERVICE.name for service in context.services):
        _add_redis(found)
    return found


def _add_redis(found: Dashboard) -> None:
    commands = f"sum by (cmd) (rate(redis_commands_total{_PER_SECOND}))"
    found.with_panel(
        chart(
            "Memory of Redis",
            Metric("redis_memory_used_bytes", "used"),
            Metric("redis_memory_max_bytes", "limit"),
            unit="bytes",
        )
    )
    found.with_panel(chart("Commands of Redis", Metric(commands, "{{cmd}}"), unit="ops", stacked=True))
    found.with_panel(chart("Clients of Redis", Metric("redis_connected_clients", "clients")))
    found.with_panel(chart("Keys in Redis", Metric("sum(redis_db_keys)", "keys")))


def _share(title: str, expression: str, legend: str = "") -> Builder[Panel]:
    """Return a panel with the newest value of a share from 0 to 1: orange from 0.8 on, red from `NEAR_LIMIT` on."""
    query = Metric(expression, legend, newest=True)
    return figures(title, query, unit="percentunit", warning=0.8, critical=NEAR_LIMIT, width=6)


def _server(_: Context) -> Dashboard:
    cores = 'count(node_cpu_seconds_total{mode="idle"})'
    idle = f'rate(node_cpu_seconds_total{{mode="idle"}}{_PER_SECOND})'
    busy = f'sum by (mode) (rate(node_cpu_seconds_total{{mode!="idle"}}{_PER_SECOND}))'
    modes = f"{busy} / ignoring(mode) group_left {cores}"
    used = "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes"
    free = f"min by (device) (node_filesystem_avail_bytes{_DISKS})"
    size = f"max by (device) (node_filesystem_size_bytes{_DISKS})"
    memory = f"({used}) / node_memory_MemTotal_bytes"
    return (
        _new("server", "Server", "now-24h")
        .with_panel(figures("Processors", Metric(cores, "cores", newest=True), width=6))
        .with_panel(_share("Processors in use", f"1 - avg({idle})"))
        .with_panel(_share("Memory in use", memory))
        .with_panel(_share("Disks in use", f"1 - {free} / {size}", "{{device}}"))
        .with_panel(
            chart("Processors in use by mode", Metric(modes, "{{mode}}"), unit="percentunit", stacked=True, most=1)
        )
        .with_panel(
            chart(
                "Load",
                *(Metric(f"node_load{minutes}", f"{minutes} min") for minutes in (1, 5, 15)),
                Metric(cores, "processors"),
                description="Processes that run or wait. More than processors means that some wait.",
            )
        )
        .with_panel(
            chart("Memory", Metric(used, "used"), Metric("node_memory_MemTotal_bytes", "installed"), unit="bytes")
        )
        .with_panel(chart("Free space of the disks", Metric(free, "{{device}}"), unit="bytes"))
    )


def _containers(context: Context) -> Dashboard:
    """Return the dashboard of the containers; if the host does not measure them, a note names the documentation."""
    note = "Without the page cache, as in fds status."
    if not host_of(context.settings).measures_containers:
        note += " Containers on your own machine are not measured by default: docs/operations.md has the command."
    memory, share = _container_metrics.MEMORY, _container_metrics.MEMORY_SHARE
    age, name, old = Metric(_container_metrics.AGE, newest=True), "{{service}}", _container_metrics.RECENT_S
    newest, percent = Metric(share, name, newest=True), "percentunit"
    limits = Metric(_container_metrics.MEMORY_LIMIT, name)
    processors = Metric(_container_metrics.processors(_OF_CONTAINERS), name)
    return (
        _new("containers", "Containers", "now-6h")
        .with_panel(figures("Since they were measured", age, unit="s", critical=old, description=note, width=6))
        .with_panel(figures("Memory limits in use", newest, unit=percent, warning=0.8, critical=NEAR_LIMIT, width=18))
        .with_panel(chart("Memory by service", Metric(memory, name), unit="bytes", stacked=True, description=note))
        .with_panel(chart("Memory limits in use, over time", Metric(share, name), unit=percent, most=1))
        .with_panel(chart("Processors in use by service", processors, stacked=True))
        .with_panel(chart("Memory limits", limits, unit="bytes", stacked=True))
    )


def _pipeline(_: Context) -> Dashboard:
    outcome = {0: ("failed", "red"), 1: ("succeeded", "green")}
    last = "fds_pipeline_last_run_succeeded"
    counts, checks = "fds_pipeline_last_run_rows", "fds_pipeline_last_run_checks"
    ended = "time() - fds_pipeline_last_run_timestamp_seconds"
    age = "time() - fds_pipeline_published_timestamp_seconds"
    return (
        _new("pipeline", "Pipeline", "now-7d")
        .with_panel(figures("Last run", Metric(last, newest=True), meaning=outcome, width=8))
        .with_panel(figures("Since the last run", Metric(ended, newest=True), unit="s", width=8))
        .with_panel(figures("Age of the published data", Metric(age, newest=True), unit="s", width=8))
        .with_panel(figures("Rows of the last run", Metric(counts, "{{kind}}", newest=True), width=12))
        .with_panel(figures("Checks of the last run", Metric(checks, "{{status}}", newest=True), width=12))
        .with_panel(chart("Age of the published data, over time", Metric(age, "age"), unit="s"))
        .with_panel(chart("Time that runs took", Sql(sql.SECONDS, over_time=True), unit="s", bars=True))
        .with_panel(chart("Rows of the runs", Sql(sql.ROWS, over_time=True), bars=True, stacked=True, width=24))
        .with_panel(rows("Runs", Sql(sql.RUNS), units={"Took": "s"}))
        .with_panel(rows("Steps of the last run", Sql(sql.STEPS), units={"Took": "s"}, width=8))
        .with_panel(rows("Checks of the last run with checks", Sql(sql.CHECKS), width=16))
    )


def _data(_: Context) -> Dashboard:
    estimate = "The number of rows is an estimate of PostgreSQL, which it loses if it is killed."
    return (
        _new("data", "Data", "now-7d")
        .with_panel(figures("Marts", Sql(sql.MARTS_COUNT), width=6))
        .with_panel(figures("Size of the marts", Sql(sql.MARTS_SIZE), unit="bytes", width=6))
        .with_panel(figures("Rows in the marts", Sql(sql.MARTS_ROWS), description=estimate, width=12))
        .with_panel(rows("Marts", Sql(sql.MARTS), units={"Size": "bytes"}, description=estimate, width=12))
        .with_panel(rows("Columns of the marts", Sql(sql.COLUMNS), width=12))
        .with_panel(chart("Rows loaded by table", Sql(sql.LOADED, over_time=True), bars=True, stacked=True, width=24))
        .with_panel(rows("Streams of the last run with streams", Sql(sql.STREAMS)))
    )


def _per_second(*columns: str) -> str:
    """Return PromQL for the increase per second of these columns of `pg_stat_database`, added up.

    All databases except templates count.
    """
    return " + ".join(f"sum(rate(pg_stat_database_{column}{_DATABASES}{_PER_SECOND}))" for column in columns)


def _postgres(_: Context) -> Dashboard:
    connections, allowed = "sum(pg_stat_activity_count)", "max(pg_settings_max_connections)"
    states = Metric("sum by (state) (pg_stat_activity_count) > 0", "{{state}}")
    hits = f"{_per_second('blks_hit')} / ({_per_second('blks_hit', 'blks_read')})"
    sizes = f"pg_database_size_bytes{_DATABASES}"
    found = (
        _new("postgres", "PostgreSQL", "now-24h")
        .with_panel(figures("PostgreSQL", Metric("pg_up", newest=True), meaning=UP_OR_DOWN, width=6))
        .with_panel(_share("Connections in use", f"{connections} / {allowed}"))
        .with_panel(figures("Size of the databases", Metric(f"sum({sizes})", newest=True), unit="bytes", width=6))
        .with_panel(
            figures(
                "Blocks found in memory",
                Metric(hits, newest=True),
                unit="percentunit",
                width=6,
                description="Share of the needed blocks that PostgreSQL already had in its own memory.",
            )
        )
        .with_panel(chart("Connections by state", states, Metric(allowed, "allowed")))
        .with_panel(chart("Size of the databases", Metric(sizes, "{{datname}}"), unit="bytes", stacked=True))
    )
    _add_transactions(found)
    return found


def _add_transactions(found: Dashboard) -> None:
    committed = f"sum by (datname) (rate(pg_stat_database_xact_commit{_DATABASES}{_PER_SECOND}))"
    rolled_back = Metric(_per_second("xact_rollback"), "all")
    written = [Metric(_per_second(f"tup_{kind}"), kind) for kind in ("inserted", "updated", "deleted")]
    found.with_panel(chart("Committed transactions", Metric(committed, "{{datname}}"), unit="ops", stacked=True))
    found.with_panel(chart("Transactions that were rolled back", rolled_back, unit="ops"))
    found.with_panel(chart("Rows written", *written, unit="rowsps", stacked=True))
    found.with_panel(chart("Temporary files", Metric(_per_second("temp_bytes"), "written"), unit="Bps"))


def _cost(_: Context) -> Dashboard:
    share = "fds_cost_planned / fds_cost_budget"
    age = "time() - fds_cost_deployed_timestamp_seconds"
    verdicts = {0: ("no", "text"), 1: ("yes", "blue")}
    about = (
        "The plan of the last deployment by fds up. No value means unknown. A stack on your own machine costs nothing."
    )
    planned, budget = Metric("fds_cost_planned", "planned"), Metric("fds_cost_budget", "budget")
    return (
        _new("cost", "Cost", "now-30d")
        .with_panel(
            figures(
                "Planned for a month",
                Metric("fds_cost_planned", newest=True),
                unit="currencyUSD",
                description=about,
                width=6,
            )
        )
        .with_panel(figures("Budget", Metric("fds_cost_budget", newest=True), unit="currencyUSD", width=6))
        .with_panel(_share("Share of the budget", share))
        .with_panel(figures("Age of the plan", Metric(age, newest=True), unit="s", width=6))
        .with_panel(
            figures(
                "Verdict of the plan",
                Metric("fds_cost_verdict", "{{verdict}}", newest=True),
                meaning=verdicts,
                width=WIDTH,
            )
        )
        .with_panel(chart("Cost against budget", planned, budget, unit="currencyUSD", width=WIDTH))
    )


_DASHBOARDS: dict[str, Callable[[Context], Dashboard]] = {
    "services": _services,
    "server": _server,
    "containers": _containers,
    "pipeline": _pipeline,
    "data": _data,
    "postgres": _postgres,
    "cost": _cost,
}
