"""Define Grafana, with dashboards of the metrics in Prometheus, and of the runs and the marts in PostgreSQL.

Data sources and dashboards are files, and nothing else is kept: changes in the UI are lost with the container.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from infra.services import _grafana_sources
from infra.services._model import Context, File, Health, Resources, Route, Service, address_of, secret, serves
from infra.settings import Settings

NAME = "grafana"
PORT = 3000
DASHBOARDS = ("services", "server", "containers", "pipeline", "data", "postgres", "cost")
"""Names of the dashboards; the first is the start page."""

_FOLDER = "/run/fds"
_UNUSED_PLUGINS = (
    *("cloudwatch", "elasticsearch", "influxdb", "jaeger", "loki", "mssql", "mysql", "opentsdb", "stackdriver"),
    *("tempo", "zipkin", "grafana-pyroscope-datasource", "grafana-advisor-app", "grafana-exploretraces-app"),
    *("grafana-lokiexplore-app", "grafana-metricsdrilldown-app", "grafana-pathfinder-app", "grafana-pyroscope-app"),
)
"""Plugins to disable, because Grafana would start a separate process for each, or try to download it."""

_POLICY = {
    # Allow 'unsafe-inline', because inline scripts differ from request to request, and 'unsafe-eval', because Grafana
    # compiles templates.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline' blob:",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
}


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        "GF_SERVER_ROOT_URL": address_of(NAME, settings),
        "GF_SERVER_ENABLE_GZIP": "false",  # a precaution: before release 13.3, gzip makes memory grow up to the limit
        "GF_PATHS_PROVISIONING": f"{_FOLDER}/provisioning",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_FOLDER}/dashboards/{DASHBOARDS[0]}.json",
        # Let visitors in without a login of Grafana, because the proxy asks every visitor for the stack's login.
        # Grafana's account `admin` has the same password.
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_FOLDER}/ui_password",
        "GF_SECURITY_COOKIE_SECURE": "true",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        f"{_grafana_sources.PASSWORD}__FILE": f"{_FOLDER}/{_grafana_sources.USER}_password",
        # Disable updates of plugins, because Grafana has no internet access. In the read-only image, an update would
        # unload the plugin and then fail.
        "GF_PLUGINS_PREINSTALL_AUTO_UPDATE": "false",
        "GF_PLUGINS_DISABLE_PLUGINS": ",".join(_UNUSED_PLUGINS),
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
        "GF_UNIFIED_ALERTING_ENABLED": "false",  # Prometheus and Alertmanager handle the alerts
        "GF_LIVE_MAX_CONNECTIONS": "0",
        "GF_METRICS_ENABLED": "false",
    }


def _provider(_: Context) -> str:
    """Return where Grafana finds the dashboards, as JSON, which is valid YAML."""
    provider = {
        "name": "fds",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": f"{_FOLDER}/dashboards"},
    }
    return json.dumps({"apiVersion": 1, "providers": [provider]}, indent=1)


def _dashboard(name: str) -> Callable[[Context], str]:
    def render(context: Context) -> str:
        from infra.services import _grafana_dashboards  # imports Grafana's SDK, which only a deployment needs

        return _grafana_dashboards.render(name, context)

    return render


SERVICE = Service(
    name=NAME,
    image="grafana/grafana:13.3.0",
    profile="grafana",  # a separate profile, because `monitoring` also runs where this image cannot be pulled
    user="472:0",
    environment=_environment,
    secrets=("ui_password", f"{_grafana_sources.USER}_password"),
    files=(
        secret("ui_password"),
        secret(f"{_grafana_sources.USER}_password"),
        File("provisioning/datasources/fds.yaml", _grafana_sources.render),
        File("provisioning/dashboards/fds.yaml", _provider),
        *(File(f"dashboards/{name}.json", _dashboard(name)) for name in DASHBOARDS),
    ),
    role=_grafana_sources.USER,
    reads=("marts",),
    tmpfs=("/tmp", "/var/lib/grafana"),
    needs=(
        *("alertmanager", "blackbox-exporter", "node-exporter", "postgres", "postgres-exporter", "prometheus"),
        "redis-exporter",
    ),
    route=Route(NAME, PORT, _POLICY),
    # Memory was not measured in this stack; the amounts follow reports of Grafana's users: 180 to 330 MiB at rest, over
    # 512 MiB at times.
    resources=Resources(
        memory_mb=384,
        memory_limit_mb=768,
        cpu=0.1,
        cpu_limit=1.0,
    ),
    health=Health(serves(PORT, "/api/health"), interval_s=10, retries=24),
)
