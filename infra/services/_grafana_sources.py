"""Define the data sources of Grafana: Prometheus, and the marts in PostgreSQL."""

from __future__ import annotations

import json

from infra.services import postgres, prometheus
from infra.services._model import Context

METRICS_SOURCE, MARTS_SOURCE = "prometheus", "postgres"
"""Identifiers of the data sources, by which the dashboards refer to them."""
SQL_PLUGIN = "grafana-postgresql-datasource"
USER = "grafana"
"""PostgreSQL's role that reads the marts."""
PASSWORD = "GF_POSTGRES_PASSWORD"  # noqa: S105, this is the name of a variable


def render(_: Context) -> str:
    """Return the data sources as JSON, which is valid YAML.

    Grafana substitutes variables in this file, so it contains a variable in place of the password. It does not refer to
    a password file, because Grafana would then substitute variables inside the password too.
    """
    metrics = {
        "name": "Prometheus",
        "uid": METRICS_SOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{prometheus.SERVICE.name}:{prometheus.PORT}",
        "isDefault": True,
        "editable": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": prometheus.INTERVAL},
    }
    marts = {
        "name": "PostgreSQL",
        "uid": MARTS_SOURCE,
        "type": SQL_PLUGIN,
        "access": "proxy",
        "url": f"{postgres.SERVICE.name}:5432",
        "user": USER,
        "editable": False,
        "jsonData": {"database": "marts", "sslmode": "disable", "maxOpenConns": 4, "maxIdleConns": 1},
        "secureJsonData": {"password": f"${PASSWORD}"},
    }
    return json.dumps({"apiVersion": 1, "datasources": [metrics, marts]}, indent=1)
