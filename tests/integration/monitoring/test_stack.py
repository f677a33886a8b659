"""Test the profile `monitoring` on a deployed stack: targets, alerts, and pages that outsiders cannot reach."""

from __future__ import annotations

import json
import time
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from infra.services import selected
from infra.services.blackbox_exporter import JOB
from infra.settings import Settings
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import containers, local_docker, running
from tests.integration.monitoring.monitored import PROFILES, STACK, Monitored, within

pytestmark = pytest.mark.timeout(900)

ALERT_S = 150


def _received(stack: Monitored, alert: str) -> tuple[list[dict[str, Any]], list[Message], list[dict[str, Any]]]:
    """Return what the webhook, the mailbox and Slack received about this alert."""
    return stack.webhook.alerts(alert), stack.mail.mails(alert), stack.webhook.slack_messages(alert)


def test_every_service_with_metrics_is_a_target_of_prometheus_and_up(stack: Monitored) -> None:
    wanted = {one.name for one in selected(Settings.of(STACK, {"profiles": PROFILES})) if one.metrics}

    def up() -> set[str]:
        targets = stack.ask("/api/v1/targets")["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"} - {JOB}

    assert within(60, lambda: up() == wanted), (up(), wanted)
    assert wanted >= {"node-exporter", "postgres-exporter", "redis-exporter", "prometheus", "alertmanager", "traefik"}


def test_disks_and_memory_of_the_host_are_measured(stack: Monitored) -> None:
    for mount in ("/etc/hostname", "/metrics"):
        assert stack.ask(f"/api/v1/query?query=node_filesystem_avail_bytes%7Bmountpoint=%22{mount}%22%7D")["result"]
    (total,) = stack.ask("/api/v1/query?query=node_memory_MemTotal_bytes")["result"]
    assert int(Path("/proc/meminfo").read_text().split()[1]) * 1024 == int(float(total["value"][1]))


def test_route_with_a_self_signed_certificate_is_probed_without_an_alert(stack: Monitored) -> None:
    def values(name: str) -> dict[str, float]:
        found = stack.ask(f"/api/v1/query?query={name}")["result"]
        return {one["metric"]["probe"]: float(one["value"][1]) for one in found}

    assert within(60, lambda: values("probe_success") == {"login": 1, "page": 1}), values("probe_success")
    assert values("probe_http_status_code") == {"login": 401, "page": 200}
    (end,) = values("probe_ssl_earliest_cert_expiry").values()
    assert 300 < (end - time.time()) / 86_400 <= 365
    names = {alert["labels"]["alertname"] for alert in stack.ask("/api/v1/alerts")["alerts"]}
    assert names.isdisjoint({"RouteDown", "RouteOpen", "CertificateEnds"})


def test_documented_promtool_query_returns_a_value(stack: Monitored) -> None:
    query = ("promtool", "query", "instant", "http://localhost:9090", 'up{job="traefik"}')
    done = stack.project.fds("exec", "prometheus", "--", *query)
    assert done.returncode == 0 and "=> 1 @" in done.stdout, done.stdout + done.stderr


def test_alert_of_a_killed_service_reaches_every_receiver_once(stack: Monitored) -> None:
    client = local_docker()
    postgres = running(client, STACK, "postgres")
    postgres.kill()
    try:
        assert within(ALERT_S, lambda: all(_received(stack, "ServiceDown")))
        (row,) = [one for one in stack.project.json("alerts")["firing"] if one["alert"] == "ServiceDown"]
        assert (row["service"], row["summary"]) == ("postgres", "postgres does not answer")
        assert "ServiceDown" in stack.project.fds("alerts").stdout
    finally:
        postgres.start()
        client.close()
    time.sleep(12)  # If the alert were in two groups, the second message would come within 10 s (`group_wait`).
    (posted,), (mail,), (message,) = _received(stack, "ServiceDown")
    assert "postgres does not answer" in json.dumps(message)
    assert posted["labels"]["service"] == "postgres" and posted["labels"]["stack"] == STACK
    assert str(mail["Subject"]) == f"[firing] ServiceDown postgres, stack {STACK}"
    assert "postgres does not answer" in mail.as_string()


def test_sending_a_test_alert_reports_the_answer_of_each_receiver(stack: Monitored) -> None:
    stack.webhook.status = 403
    try:
        done = stack.project.fds("alerts", "test", "--json", timeout=120)
    finally:
        stack.webhook.status = 200
    assert done.returncode == 5, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert results["email"] == "" and "403" in results["webhook"] and "403" in results["slack"], results
    assert "a-secret-path" not in done.stdout + done.stderr
    assert stack.mail.mails("Test")


def test_fds_status_names_the_receivers_of_alerts(stack: Monitored) -> None:
    assert stack.project.json("status")["alert_receivers"] == ["email", "slack", "webhook"]
    assert "Alerts go to: email, slack, webhook." in stack.project.fds("status").stdout


def test_no_service_has_a_public_metrics_page_and_only_the_proxy_publishes_ports(stack: Monitored) -> None:
    services = selected(Settings.of(STACK, {"profiles": PROFILES}))
    for service in services:
        assert stack.status(service.name) == 404, service.name
    assert stack.status("dashboard") == 401  # so the proxy does answer; this route needs a login
    client = local_docker()
    published = [item.labels["fds.service"] for item in containers(client, STACK) if any(item.ports.values())]
    client.close()
    assert published == ["traefik"]


def test_metrics_have_the_planned_cost_and_the_budget_and_the_verdict_of_the_deployment(stack: Monitored) -> None:
    def values(metric: str) -> dict[str, str]:
        found = stack.ask(f"/api/v1/query?query={metric}")["result"]
        return {one["metric"].get("verdict", one["metric"].get("currency", "")): one["value"][1] for one in found}

    assert within(60, lambda: values("fds_cost_planned") == {"USD": "0"})
    assert values("fds_cost_budget") == {"USD": "50"}
    assert [verdict for verdict, value in values("fds_cost_verdict").items() if value == "1"] == ["within"]
    assert not values("ALERTS%7Balertname=%22CostNearBudget%22%7D")


def test_dashboard_reads_the_plan_and_cannot_change_it(stack: Monitored) -> None:
    client = local_docker()
    try:
        streamlit = running(client, STACK, "streamlit")
        read = (
            "from data_stack.streamlit.views import cost; plan = cost.planned_cost.read(cost.path()); print(plan.stack)"
        )
        done = execute(streamlit, ["python", "-W", "ignore", "-c", read])
        assert (done.code, done.out) == (0, f"{STACK}\n".encode())
        done = execute(streamlit, ["touch", "/data/metrics/cost.json"])
        assert done.code and b"Read-only" in done.err
    finally:
        client.close()


def test_second_fds_up_changes_nothing(stack: Monitored) -> None:
    assert stack.project.json("up")["changed"] == 0
