"""Test that the configuration of the profile `monitoring` is derived from the services and settings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.component import generated_secrets
from infra.component.networks import DATA, INTERNET, WEB, networks_of
from infra.services import Context, Health, Metrics, Resources, Route, Service, catalogue, selected
from infra.services._receivers import receivers
from infra.services.blackbox_exporter import JOB
from infra.services.prometheus import RETENTION_MB
from infra.settings import Settings
from stack_runtime.errors import UsageError
from tests.kit.project import ROOT

SERVER = {"host": "hetzner", "domain": "example.org", "email": "me@example.org"}
EMAIL = {"to": "me@example.org", "sender": "fds@example.org", "server": "smtp.example.org", "user": "me"}


def files(service: str, own: tuple[Service, ...] = (), **values: Any) -> dict[str, str]:
    """Return the files of a service as `{name: content}`, in a stack with these settings and user-defined services."""
    settings = Settings.of("dev", {"profiles": ["monitoring"], **values})
    services = selected(settings, own)
    names = {*generated_secrets.names(settings, services), *(name for one in services for name in one.asked(settings))}
    secrets = {name: f"secret-value-of-{name}" for name in names}
    found = {one.name: one for one in services}[service]
    return {file.name: file.content(Context(settings, secrets, services)) for file in found.files}


def targets(own: tuple[Service, ...] = (), **values: Any) -> dict[str, str]:
    """Return the address and path that Prometheus scrapes, by service; the job of the probes is left out."""
    jobs = json.loads(files("prometheus", own, **values)["prometheus.yml"])["scrape_configs"]
    return {
        job["job_name"]: job["static_configs"][0]["targets"][0] + job["metrics_path"]
        for job in jobs
        if job["job_name"] != JOB
    }


def probes(own: tuple[Service, ...] = (), **values: Any) -> set[tuple[str, str, str, str]]:
    """Return the service, kind, address and host name of each probe."""
    jobs = json.loads(files("prometheus", own, **values)["prometheus.yml"])["scrape_configs"]
    (job,) = (job for job in jobs if job["job_name"] == JOB)
    found = [(config["targets"], config["labels"]) for config in job["static_configs"]]
    return {(of["service"], of["probe"], target, of["host"]) for (target,), of in found}


def rules(**values: Any) -> list[dict[str, Any]]:
    return list(json.loads(files("prometheus", **values)["rules.yml"])["groups"][0]["rules"])


def test_services_with_metrics_are_scraped() -> None:
    assert targets() == {
        one.name: f"{one.name}:{one.metrics.port}{one.metrics.path}"
        for one in selected(Settings.of("dev", {"profiles": ["monitoring"]}))
        if one.metrics
    }


def test_user_defined_service_with_metrics_is_scraped() -> None:
    resources = Resources(64, 64, 0.1, 0.1)
    own = Service("greeter", "greeter:1", resources, Health(("true",)), "1:1", metrics=Metrics(80, "/numbers"))
    assert targets((own,))["greeter"] == "greeter:80/numbers"


def test_redis_is_monitored_only_with_the_profile_queue() -> None:
    assert "redis-exporter" not in targets()
    assert "redis-exporter" in targets(profiles=["monitoring", "queue"])
    watched = [{r["labels"]["service"] for r in rules(profiles=p) if r["alert"] == "ServiceDown"}
               for p in (["monitoring"], ["monitoring", "queue"])]  # fmt: skip
    assert watched == [{"postgres"}, {"postgres", "redis"}]


@pytest.mark.parametrize("profiles", [(), ("monitoring",), ("orchestration",), ("queue",), ("full",)])
@pytest.mark.parametrize("executor", ["local", "celery"])
def test_exporter_of_redis_is_selected_if_and_only_if_redis_is_selected(
    profiles: tuple[str, ...], executor: str
) -> None:
    settings = Settings.of("dev", {"profiles": ["monitoring", *profiles], "executor": executor})
    names = {service.name for service in selected(settings)}
    assert ("redis-exporter" in names) == ("redis" in names)


@pytest.mark.parametrize("values", [{}, {"profiles": ["orchestration"]}, {"profiles": ["full"], "executor": "celery"}])
def test_pipeline_runner_is_listed_before_the_other_services_that_mount_the_metrics_volume(
    values: dict[str, Any],
) -> None:
    services = selected(Settings.of("dev", {**values, "profiles": ["monitoring", *values.get("profiles", [])]}))
    order = [service.name for service in services if any(volume.name == "metrics" for volume in service.volumes)]
    runner, *readers = order
    assert sorted(readers) == ["node-exporter", "streamlit"] and runner not in readers


def test_prometheus_shares_a_network_with_every_scraped_service() -> None:
    on = {one.name: set(networks_of(one)) for one in catalogue()}
    assert all((on["prometheus"] & on[name]) - {INTERNET} for name in targets(profiles=["full"]))


@pytest.mark.parametrize("profiles", [["monitoring"], ["full"]])
def test_every_route_is_probed_through_the_proxy_and_directly(profiles: list[str]) -> None:
    routed = [one for one in selected(Settings.of("dev", {"profiles": profiles})) if one.route]
    assert probes(profiles=profiles) == {
        probe
        for one in routed
        for host in [f"{one.route.host}.localhost"]
        for probe in (
            (one.name, "login", "https://traefik:8443/", host),
            (one.name, "page", f"http://{one.name}:{one.route.port}/", host),
        )
    }


def test_route_of_a_user_defined_service_is_probed_under_the_domain() -> None:
    resources = Resources(64, 64, 0.1, 0.1)
    own = Service("greeter", "greeter:1", resources, Health(("true",)), "1:1", route=Route("hello", 80))
    found = probes((own,), host="hetzner", domain="example.org", email="me@example.org")
    assert ("greeter", "login", "https://traefik:8443/", "hello.example.org") in found
    assert ("greeter", "page", "http://greeter:80/", "hello.example.org") in found


@pytest.mark.parametrize(
    ("values", "trusted"),
    [
        ({}, False),
        ({"host": "local", "domain": "example.org"}, False),
        (SERVER, True),
        ({**SERVER, "certificates": "staging"}, False),
        ({**SERVER, "certificates": "https://ca.example.org/directory"}, False),
    ],
)
def test_probe_verifies_only_certificates_that_every_client_trusts(values: dict[str, Any], trusted: bool) -> None:
    login = json.loads(files("blackbox-exporter", **values)["blackbox.yml"])["modules"]["login"]["http"]
    assert login["tls_config"] == {"insecure_skip_verify": not trusted}
    assert login["valid_status_codes"] == [401]


def test_monitoring_services_have_no_route_and_only_the_networks_that_they_need() -> None:
    for one in catalogue():
        if one.profile == "monitoring":
            assert one.route is None and one.published is None
            others = {"prometheus": {WEB, DATA}, "alertmanager": {INTERNET, DATA}, "blackbox-exporter": {WEB}}
            assert set(networks_of(one)) == others.get(one.name, {DATA})


def test_proxy_has_metrics_only_with_the_profile_monitoring_and_does_not_publish_them() -> None:
    lean = json.loads(files("traefik", profiles=["lean"])["traefik.yml"])
    assert "metrics" not in lean and set(lean["entryPoints"]) == {"web", "websecure"}
    found = files("traefik")
    assert json.loads(found["traefik.yml"])["metrics"]["prometheus"] == {"entryPoint": "metrics"}
    routers = json.loads(found["routes.yml"])["http"]["routers"].values()
    assert all(router["entryPoints"] == ["websecure"] for router in routers)
    assert {8082} & set(
        next(one for one in catalogue() if one.published).published(Settings.of("dev", {})).values()
    ) == set()


def test_size_limit_of_stored_metrics_is_below_the_disk_space_that_prometheus_reserves() -> None:
    prometheus = {one.name: one for one in catalogue()}["prometheus"]
    assert f"--storage.tsdb.retention.size={RETENTION_MB}MB" in prometheus.command
    assert 0.5 < RETENTION_MB * 2**20 / (prometheus.resources.disk_gb * 10**9) < 0.85


def test_role_of_the_postgres_exporter_is_granted_statistics_but_no_connection_to_a_database() -> None:
    sql = files("postgres")["roles.sql"]
    assert "GRANT pg_monitor TO metrics;" in sql
    assert not re.search(r"GRANT CONNECT ON DATABASE \w+ TO metrics", sql)


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ({}, ()),
        ({"webhook": True}, ("webhook",)),
        ({"email": EMAIL, "slack": True, "webhook": True}, ("email", "slack", "webhook")),
    ],
)
def test_alertmanager_has_exactly_the_receivers_that_the_settings_name(
    notify: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert receivers(Settings.of("dev", {"notify": notify})) == expected
    (receiver,) = json.loads(files("alertmanager", notify=notify)["alertmanager.yml"])["receivers"]
    assert {f"{name}_configs" for name in expected} == receiver.keys() - {"name"}


def test_password_of_the_mail_server_is_only_in_a_separate_file() -> None:
    found = files("alertmanager", notify={"email": EMAIL})
    assert found["smtp_password"] == "secret-value-of-smtp_password"
    assert "secret-value" not in found["alertmanager.yml"] and "/run/fds/smtp_password" in found["alertmanager.yml"]
    assert "smtp_password" not in files("alertmanager", notify={"email": {**EMAIL, "user": ""}})


@pytest.mark.parametrize(
    ("notify", "secret"),
    [({"email": EMAIL}, "smtp_password"), ({"slack": True}, "slack_url"), ({"webhook": True}, "webhook_url")],
)
def test_missing_secret_of_a_receiver_is_an_error(notify: dict[str, Any], secret: str) -> None:
    settings = Settings.of("dev", {"profiles": ["monitoring"], "notify": notify})
    with pytest.raises(UsageError, match=secret):
        generated_secrets.require(settings, generated_secrets.names(settings))


@pytest.mark.parametrize(
    "email",
    [
        {},
        {**EMAIL, "to": "nobody"},
        {**EMAIL, "to": "a@b\nBcc: c@d"},
        {**EMAIL, "to": '{{ template "x" }}@b'},
        {**EMAIL, "server": "smtp.example.org:25\n"},
        {**EMAIL, "port": 0},
        {**EMAIL, "requireTls": False},
        {**EMAIL, "require_tls": True},
    ],
)
def test_invalid_mail_settings_are_refused(email: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings.of("dev", {"notify": {"email": email}})


def test_rules_about_late_pipeline_runs_exist_only_with_a_schedule() -> None:
    late = {"PipelineLate", "PipelineDataStale"}
    assert late.isdisjoint({rule["alert"] for rule in rules()})
    for schedule, seconds in (("hourly", 5_400), ("weekly", 907_200)):
        found = {rule["alert"]: rule["expr"] for rule in rules(schedule=schedule)}
        assert late <= found.keys() and found["PipelineLate"].endswith(f"> {seconds}")


def test_rule_about_missing_container_metrics_exists_only_on_hosts_with_a_timer() -> None:
    """A local stack has no timer that measures containers, so an alert about missing measurements would never end."""
    hosts = ({}, SERVER, {"host": "ssh"})
    assert ["ContainersNotMeasured" in {rule["alert"] for rule in rules(**one)} for one in hosts] == [False, True, True]
    assert all("ServiceMemoryNearLimit" in {rule["alert"] for rule in rules(**one)} for one in hosts)


def test_every_alert_is_explained_in_the_documentation() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {rule["alert"] for rule in rules(schedule="daily", **SERVER)} == set(
        re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE)
    )
