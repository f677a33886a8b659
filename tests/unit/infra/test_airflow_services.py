"""Test the services of the profile `orchestration`: which are selected, what they reserve, and which files they get."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from infra.component import generated_secrets
from infra.services import Context, catalogue, selected
from infra.services._receivers import asked
from infra.settings import Settings
from stack_runtime.errors import UsageError

LOCAL = Settings.of("dev", {"profiles": ["orchestration"]})
CELERY = Settings.of("dev", {"profiles": ["orchestration"], "executor": "celery", "workers": 3})
EMAIL = {"to": "me@example.org", "sender": "fds@example.org", "server": "mail.example.org", "user": "me"}
NOTIFY = {"email": EMAIL, "slack": True, "webhook": True}


def _context(settings: Settings) -> Context:
    names = {*generated_secrets.names(settings), *asked(settings)}
    return Context(settings, {name: f"value-of-{name}" for name in names}, selected(settings))


def _files(settings: Settings, service: str) -> dict[str, str]:
    found = {each.name: each for each in selected(settings)}[service]
    return {file.name: file.content(_context(settings)) for file in found.files}


def test_exactly_one_service_runs_the_pipeline_and_writes_the_marts() -> None:
    for settings, runner in (
        (Settings.of("dev", {}), "pipeline"), (LOCAL, "airflow-local"), (CELERY, "airflow-worker"),
    ):  # fmt: skip
        assert [each.name for each in selected(settings) if each.labels.get("fds.runs") == "pipeline"] == [runner]
        assert [each.name for each in selected(settings) if "marts" in each.databases] == [runner]


def test_stack_with_the_local_executor_has_no_queue_and_no_worker() -> None:
    names = {each.name for each in selected(LOCAL)}
    assert names == {
        "postgres", "traefik", "streamlit", "airflow-api-server", "airflow-dag-processor", "airflow-local",
    }  # fmt: skip


def test_celery_executor_adds_redis_and_workers() -> None:
    services = {each.name: each for each in selected(CELERY)}
    assert {"redis", "flower", "airflow-scheduler", "airflow-worker"} <= set(services)
    assert {name for name, each in services.items() if each.replicas(CELERY) == 3} == {"airflow-worker"}


def test_only_the_environment_of_the_scheduler_depends_on_the_number_of_workers() -> None:
    one = CELERY.model_copy(update={"workers": 1})
    changed = [each.name for each in selected(CELERY) if each.environment(one) != each.environment(CELERY)]
    assert changed == ["airflow-scheduler"]


def test_all_airflow_services_have_the_same_secrets() -> None:
    parts = [each.name for each in selected(CELERY) if each.name.startswith("airflow-")]
    shared = ("fernet_key", "secret_key", "jwt_secret", "database_url", "broker_url")
    for name in shared:
        assert len({_files(CELERY, part)[name] for part in parts}) == 1, name
    files = _files(CELERY, parts[0])
    assert len({files[name] for name in shared}) == len(shared)
    assert len(base64.urlsafe_b64decode(files["fernet_key"])) == 32
    assert len(files["jwt_secret"]) == 128


def test_airflow_stack_reserves_at_most_2000_mb_with_the_local_executor_and_2700_mb_with_one_celery_worker() -> None:
    def reserved(settings: Settings) -> int:
        return sum(each.resources.memory_mb * each.replicas(settings) for each in selected(settings))

    assert reserved(LOCAL) * 2**20 <= 2.0e9
    assert reserved(CELERY.model_copy(update={"workers": 1})) * 2**20 <= 2.7e9


def test_proxy_does_not_route_the_metrics_and_health_check_paths_of_flower() -> None:
    routers = json.loads(_files(CELERY, "traefik")["routes.yml"])["http"]["routers"]
    assert routers["flower"]["rule"] == (
        "Host(`flower.localhost`) && !PathPrefix(`/metrics`) && !PathPrefix(`/healthcheck`)"
    )
    assert routers["airflow-api-server"]["rule"] == "Host(`airflow.localhost`)"


def test_dag_processor_gets_the_notification_settings_and_secrets_in_one_file() -> None:
    settings = Settings.of("dev", {"profiles": ["orchestration"], "executor": "celery", "notify": NOTIFY})
    found: dict[str, Any] = json.loads(_files(settings, "airflow-dag-processor")["notify.json"])
    assert found["webhook_url"] == "value-of-webhook_url" and found["email"]["password"] == "value-of-smtp_password"
    assert found["slack_url"] == "value-of-slack_url"
    assert (found["email"]["sender"], found["email"]["require_tls"]) == ("fds@example.org", True)
    assert "notify.json" not in _files(CELERY, "airflow-dag-processor")
    with pytest.raises(UsageError, match="smtp_password"):
        generated_secrets.require(settings, generated_secrets.names(settings))


def test_email_notification_without_a_recipient_is_refused() -> None:
    with pytest.raises(UsageError, match=r"notify\.email\.to"):
        Settings.of("dev", {"notify": {"email": {"sender": "me@example.org", "server": "mail.example.org"}}})


def test_every_service_of_the_catalogue_is_selected_by_some_settings() -> None:
    full = {
        each.name
        for values in ({"profiles": ["full"]}, {"profiles": ["full"], "executor": "celery"}, {})
        for each in selected(Settings.of("dev", values))
    }
    assert full == {each.name for each in catalogue()}
