"""Test the profile `bi`: Metabase's files, the services that get access to Metabase, and the server that it fits on."""

from __future__ import annotations

import json

import pytest

from infra.component import generated_secrets
from infra.services import Context, Service, catalogue, selected
from infra.services.metabase import HEAP_MB, SERVICE
from infra.services.traefik import POLICY
from infra.settings import Settings
from tests.unit.cost import kit

BI = Settings.of("dev", {"profiles": ["bi"]})
SECRETS = {"metabase_password", "metabase_encryption_key", "metabase_admin_password", "metabase_reader_password"}


def _services(settings: Settings) -> dict[str, Service]:
    return {service.name: service for service in selected(settings)}


def _files(settings: Settings, service: str) -> dict[str, str]:
    secrets = {name: f"value-of-{name}" for name in generated_secrets.names(settings)}
    context = Context(settings, secrets, selected(settings))
    return {file.name: file.content(context) for file in _services(settings)[service].files}


def test_secrets_of_metabase_are_generated_only_with_the_profile_bi() -> None:
    assert generated_secrets.names(BI) - generated_secrets.names(Settings.of("dev", {})) == SECRETS


def test_generated_admin_password_of_metabase_has_a_digit() -> None:
    assert all(any(c.isdigit() for c in generated_secrets.value("metabase_admin_password")) for _ in range(2_000))


@pytest.mark.parametrize(
    ("values", "runner"),
    [
        ({"profiles": ["bi"]}, "pipeline"),
        ({"profiles": ["bi", "orchestration"]}, "airflow-local"),
        ({"profiles": ["bi", "orchestration"], "executor": "celery"}, "airflow-worker"),
    ],
)
def test_only_the_runner_and_the_airflow_scheduler_get_access_to_metabase(
    values: dict[str, object], runner: str
) -> None:
    settings = Settings.of("dev", values)
    having = {name for name in _services(settings) if "metabase.json" in _files(settings, name)}
    access = json.loads(_files(settings, runner)["metabase.json"])
    assert having == {runner, *({"airflow-scheduler"} & having)}
    assert access["password"] == "value-of-metabase_admin_password"
    assert access["database"]["user"] == "metabase_reader"
    assert access["database"]["password"] == "value-of-metabase_reader_password"
    without = settings.model_copy(update={"profiles": tuple({*settings.profiles} - {"bi"})})
    assert "metabase.json" not in _files(without, runner)


def test_metabase_gets_only_its_start_script_its_encryption_key_and_the_password_of_its_database() -> None:
    assert set(_files(BI, "metabase")) == {"start.sh", "metabase_encryption_key", "metabase_password"}


def test_reserved_memory_covers_the_java_heap_and_256_mb_more() -> None:
    assert SERVICE.environment(BI)["JAVA_OPTS"] == f"-Xmx{HEAP_MB}m"
    assert HEAP_MB + 256 <= SERVICE.resources.memory_mb <= SERVICE.resources.memory_limit_mb


def test_ai_and_tracking_and_public_links_and_update_checks_are_disabled_and_the_site_url_is_set() -> None:
    environment = SERVICE.environment(BI)
    off = ("ANON_TRACKING_ENABLED", "CHECK_FOR_UPDATES", "AI_FEATURES_ENABLED", "ENABLE_PUBLIC_SHARING")
    assert {environment[f"MB_{name}"] for name in off} == {"false"}
    server = Settings.of("prod", {"host": "hetzner", "domain": "example.org", "profiles": ["bi"]})
    assert SERVICE.environment(server)["MB_SITE_URL"] == "https://metabase.example.org"
    assert environment["MB_SITE_URL"] == "https://metabase.localhost:8443"


def test_proxy_requires_the_login_and_keeps_the_content_security_policy_of_metabase() -> None:
    routes = json.loads(_files(BI, "traefik")["routes.yml"])["http"]
    assert routes["routers"]["metabase"]["middlewares"] == ["headers-metabase", "tries", "login"]
    assert routes["routers"]["metabase"]["rule"] == "Host(`metabase.localhost`)"
    headers = {name: found["headers"] for name, found in routes["middlewares"].items() if name.startswith("headers-")}
    assert "contentSecurityPolicy" not in headers["headers-metabase"]
    assert headers["headers-metabase"]["customFrameOptionsValue"] == "DENY"
    assert "default-src 'self'" in headers["headers-streamlit"]["contentSecurityPolicy"]
    assert POLICY["default-src"] == "'self'"


def test_metabase_fits_server_cpx22_but_metabase_with_airflow_does_not() -> None:
    small = kit.settings(profiles=["bi"], serverType="cpx22")
    assert kit.planned(small, selected(small)).verdict == "within"
    more = kit.settings(profiles=["bi", "orchestration"], serverType="cpx22")
    plan = kit.planned(more, selected(more))
    assert plan.verdict == "does_not_fit"
    assert {"profiles": "lean,orchestration"} in [alternative.settings for alternative in plan.alternatives]


def test_metabase_is_the_only_service_with_a_step_that_runs_after_a_deployment() -> None:
    assert [service.name for service in catalogue() if service.after_up] == ["metabase"]
