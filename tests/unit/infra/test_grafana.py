"""Test Grafana's files: data sources and dashboards are complete and consistent, and contain no secrets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.prometheus import Dataquery

from infra.component import generated_secrets
from infra.services import Context, selected
from infra.services.grafana import DASHBOARDS, SERVICE
from infra.settings import Settings

SOURCES = "provisioning/datasources/fds.yaml"
PROVIDER = "provisioning/dashboards/fds.yaml"
SQL = "grafana-postgresql-datasource"

TEXT = {"type": "string", "minLength": 1}
"""Schema of a text that must not be empty."""
COMMON = {"name": TEXT, "uid": TEXT, "access": {"const": "proxy"}, "url": TEXT, "editable": {"const": False}}
PROMETHEUS_SCHEMA = {
    "properties": COMMON
    | {
        "type": {"const": "prometheus"},
        "url": {"pattern": "^http://[a-z]+:[0-9]+$"},
        "isDefault": {"type": "boolean"},
        "jsonData": {
            "properties": {
                "httpMethod": {"enum": ["GET", "POST"]},
                "timeInterval": {"type": "string", "pattern": "^[0-9]+s$"},
            },
            "additionalProperties": False,
        },
    },
    "required": ["name", "uid", "type", "access", "url", "jsonData"],
    "additionalProperties": False,
}
SQL_SCHEMA = {
    "properties": COMMON
    | {
        "type": {"const": SQL},
        "url": {"pattern": "^[a-z]+:[0-9]+$"},  # host and port without a scheme
        "user": TEXT,
        "jsonData": {
            "properties": {
                "database": TEXT,
                "sslmode": {"enum": ["disable", "require", "verify-ca", "verify-full"]},
                "maxOpenConns": {"type": "integer", "minimum": 1},
                "maxIdleConns": {"type": "integer", "minimum": 1},
            },
            "required": ["database", "sslmode"],
            "additionalProperties": False,
        },
        "secureJsonData": {
            "properties": {"password": TEXT},
            "required": ["password"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "uid", "type", "access", "url", "user", "jsonData", "secureJsonData"],
    "additionalProperties": False,
}
SCHEMAS = {
    SOURCES: {
        "properties": {
            "apiVersion": {"const": 1},
            "datasources": {"type": "array", "minItems": 2, "items": {"oneOf": [PROMETHEUS_SCHEMA, SQL_SCHEMA]}},
        },
        "required": ["apiVersion", "datasources"],
        "additionalProperties": False,
    },
    PROVIDER: {
        "properties": {
            "apiVersion": {"const": 1},
            "providers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "properties": {
                        "name": TEXT,
                        "type": {"const": "file"},
                        "disableDeletion": {"type": "boolean"},
                        "allowUiUpdates": {"type": "boolean"},
                        "options": {"properties": {"path": TEXT}, "required": ["path"], "additionalProperties": False},
                    },
                    "required": ["name", "type", "options"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["apiVersion", "providers"],
        "additionalProperties": False,
    },
}


def files(*profiles: str) -> dict[str, str]:
    """Return the content of Grafana's files, by name, for a stack with `profiles` and the profile `grafana`."""
    settings = Settings.of("dev", {"profiles": ["grafana", *profiles]})
    services = selected(settings)
    secrets = {name: f"secret-value-of-{name}" for name in generated_secrets.names(settings, services)}
    found = {one.name: one for one in services}["grafana"]
    return {file.name: file.content(Context(settings, secrets, services)) for file in found.files}


def dashboards(*profiles: str) -> dict[str, Any]:
    """Return the parsed JSON of each dashboard, by the name of the dashboard."""
    found = files(*profiles)
    return {name: json.loads(found[f"dashboards/{name}.json"]) for name in DASHBOARDS}


def expressions(dashboard: Any) -> list[str]:
    return [query.get("expr") or query["rawSql"] for panel in dashboard["panels"] for query in panel["targets"]]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_is_unchanged_when_read_and_written_by_the_grafana_sdk(name: str) -> None:
    register_default_plugins()
    document = dashboards("queue")[name]
    read = Dashboard.from_json(document)
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == document
    for panel in read.panels or []:
        assert all(isinstance(query, Dataquery | UnknownDataquery) for query in panel.targets)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_titles_and_do_not_overlap(name: str) -> None:
    panels = dashboards("queue")[name]["panels"]
    titles = [(panel["title"], panel["type"]) for panel in panels]
    assert all(title for title, _ in titles) and len(set(titles)) == len(titles)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_query_uses_the_provisioned_data_source_of_its_panel(name: str) -> None:
    sources = {(one["uid"], one["type"]) for one in json.loads(files()[SOURCES])["datasources"]}
    for panel in dashboards("queue")[name]["panels"]:
        assert (panel["datasource"]["uid"], panel["datasource"]["type"]) in sources
        assert {json.dumps(query["datasource"]) for query in panel["targets"]} == {json.dumps(panel["datasource"])}
        names = [query["refId"] for query in panel["targets"]]
        assert names == sorted(set(names))


@pytest.mark.parametrize("name", SCHEMAS)
def test_provisioning_file_matches_its_schema(name: str) -> None:
    jsonschema.validate(json.loads(files()[name]), SCHEMAS[name])


@pytest.mark.parametrize("wrong", [{"uid": None}, {"acces": "proxy"}, {"url": "postgres://postgres:5432"}])
def test_data_source_with_a_wrong_key_or_value_does_not_match_the_schema(wrong: dict[str, Any]) -> None:
    document = json.loads(files()[SOURCES])
    document["datasources"][1] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMAS[SOURCES])


def test_files_are_at_the_paths_that_grafana_reads() -> None:
    environment = SERVICE.environment(Settings.of("dev", {}))
    names = {f"/run/fds/{file.name}" for file in SERVICE.files}
    folder = environment["GF_PATHS_PROVISIONING"]
    assert {f"{folder}/datasources/fds.yaml", f"{folder}/dashboards/fds.yaml"} <= names
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in names
    (provider,) = json.loads(files()[PROVIDER])["providers"]
    found = {name for name in names if name.startswith(provider["options"]["path"] + "/")}
    assert found == {f"{provider['options']['path']}/{name}.json" for name in DASHBOARDS}
    assert {value for name, value in environment.items() if name.endswith("__FILE")} <= names


def test_each_secret_has_a_file_of_its_own_and_is_in_no_other_file() -> None:
    found = files("queue")
    assert {name for name, text in found.items() if "secret-value" in text} == {"ui_password", "grafana_password"}


def test_variable_in_the_provisioning_files_gets_its_value_from_a_file() -> None:
    """Grafana replaces `$NAME` in provisioning files by the environment variable NAME, and `$$` by `$`."""
    environment = SERVICE.environment(Settings.of("dev", {}))
    found = files()
    names = re.findall(r"\$(\w*)", found[SOURCES] + found[PROVIDER])
    assert names == ["GF_POSTGRES_PASSWORD"]
    assert environment["GF_POSTGRES_PASSWORD__FILE"] == "/run/fds/grafana_password"
    assert "GF_POSTGRES_PASSWORD" not in environment  # the image refuses a variable that also has a `__FILE` variable


def test_dashboards_use_only_built_in_variables_and_only_in_queries() -> None:
    """Grafana does not replace environment variables in dashboards, and these dashboards define no variables."""
    for document in dashboards("queue").values():
        queries = "\n".join(expressions(document))
        assert set(re.findall(r"\$\w*", queries)) <= {"$__rate_interval", "$__timeFilter"}
        text = json.dumps(document)
        assert text.count("$") == json.dumps(expressions(document)).count("$")


def test_redis_is_shown_only_with_the_profile_queue() -> None:
    assert "redis" not in "".join(expressions(dashboards()["services"]))
    shown = expressions(dashboards("queue")["services"])
    assert "redis_up" in shown and "redis_memory_used_bytes" in shown


def test_profile_grafana_selects_grafana_and_the_monitoring_services_but_not_redis() -> None:
    names = {service.name for service in selected(Settings.of("dev", {"profiles": ["grafana"]}))}
    assert names >= {"prometheus", "alertmanager", "node-exporter", "postgres-exporter", "postgres", "pipeline"}
    assert not names & {"redis", "redis-exporter"}
    monitoring = {service.name for service in selected(Settings.of("dev", {"profiles": ["monitoring"]}))}
    assert "grafana" not in monitoring and names - monitoring == {"grafana"}


def test_data_source_of_the_marts_uses_a_read_only_role() -> None:
    assert (SERVICE.role, SERVICE.reads, SERVICE.databases, SERVICE.member_of) == ("grafana", ("marts",), (), ())
    marts = json.loads(files()[SOURCES])["datasources"][1]
    assert (marts["user"], marts["jsonData"]["database"]) == ("grafana", "marts")


def test_plugins_that_the_data_sources_need_are_not_disabled() -> None:
    disabled = SERVICE.environment(Settings.of("dev", {}))["GF_PLUGINS_DISABLE_PLUGINS"].split(",")
    assert not {one["type"] for one in json.loads(files()[SOURCES])["datasources"]} & set(disabled)
    assert len(set(disabled)) == len(disabled)


def test_root_url_of_grafana_equals_the_public_address() -> None:
    settings = {"host": "hetzner", "domain": "example.org", "email": "someone@example.org"}
    assert SERVICE.environment(Settings.of("prod", settings))["GF_SERVER_ROOT_URL"] == "https://grafana.example.org"
    local = SERVICE.environment(Settings.of("dev", {"httpsPort": 9443}))["GF_SERVER_ROOT_URL"]
    assert local == "https://grafana.localhost:9443"


def test_catalogue_does_not_import_the_grafana_sdk() -> None:
    code = (
        "import sys; from infra.services import catalogue; catalogue()\n"
        "print([name for name in sys.modules if name.startswith('grafana_foundation_sdk')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
