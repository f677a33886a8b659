"""Test the profile `monitoring` on a deployed stack: targets, an alert from a killed service, access from outside."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from fds_offline import registry
from infra.services import selected
from infra.settings import Settings
from stack_runtime.docker_host import containers, local_docker, running
from tests.kit.ports import free_ports
from tests.kit.project import Project
from tests.kit.receivers import MailServer, Webhook, receivers

pytestmark = pytest.mark.timeout(900)

STACK = "t-monitoring"
PROFILES = ["monitoring", "queue"]
ALERT_S = 150


@dataclass(frozen=True)
class Monitored:
    """The deployed stack and who receives its alerts."""

    project: Project
    port: int
    webhook: Webhook
    mail: MailServer

    def ask(self, path: str) -> Any:
        """Request a path of Prometheus' API from inside its container."""
        client = local_docker()
        try:
            prometheus = running(client, STACK, "prometheus")
            code, output = prometheus.exec_run(["sh", "-c", f'wget -q -O - "http://$HOSTNAME:9090{path}"'])
            assert code == 0 and isinstance(output, bytes)
            return json.loads(output)["data"]
        finally:
            client.close()

    def status(self, name: str, path: str = "/metrics") -> int:
        """Return the status of a request to the proxy for a host name, without a login."""
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", headers={"Host": f"{name}.localhost:{self.port}"}
        )
        try:
            return int(urllib.request.urlopen(request, context=unchecked, timeout=20).status)
        except urllib.error.HTTPError as error:
            return error.code


def _within(seconds: float, answer: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def _received(stack: Monitored, alert: str) -> tuple[list[dict[str, Any]], list[Message], list[dict[str, Any]]]:
    """Return what the webhook, the mailbox and Slack received of this alert."""
    return stack.webhook.alerts(alert), stack.mail.mails(alert), stack.webhook.slack_messages(alert)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    address = registry.bridge(local_docker())
    ports = free_ports()
    with receivers(address) as (webhook, mail):
        email = {"to": "me@example.org", "sender": "fds@example.org", "server": address, "port": mail.port}
        notify = {"webhook": True, "slack": True, "email": {**email, "requireTls": False}}
        settings = {"host": "local", "profiles": PROFILES, "notify": notify, **ports}
        project = Project(tmp_path_factory.mktemp("monitoring"), STACK, settings)
        project.clear()
        project.make_stack()
        for name, url in (("webhook_url", webhook.url), ("slack_url", webhook.slack_url)):
            secret = project.engine("config", "set", "--secret", "--path", f"secrets.{name}", url)
            assert secret.returncode == 0, secret.stderr
        result = project.fds("up", timeout=600)
        assert result.returncode == 0, result.stderr
        yield Monitored(project, ports["httpsPort"], webhook, mail)
        project.clear()


def test_every_service_with_metrics_is_a_target_and_up(stack: Monitored) -> None:
    wanted = {one.name for one in selected(Settings.of(STACK, {"profiles": PROFILES})) if one.metrics}

    def up() -> set[str]:
        targets = stack.ask("/api/v1/targets")["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    assert _within(60, lambda: up() == wanted), (up(), wanted)
    assert wanted >= {"node-exporter", "postgres-exporter", "redis-exporter", "prometheus", "alertmanager", "traefik"}


def test_disks_and_memory_of_the_server_are_measured(stack: Monitored) -> None:
    for mount in ("/etc/hostname", "/metrics"):
        assert stack.ask(f"/api/v1/query?query=node_filesystem_avail_bytes%7Bmountpoint=%22{mount}%22%7D")["result"]
    (total,) = stack.ask("/api/v1/query?query=node_memory_MemTotal_bytes")["result"]
    assert int(Path("/proc/meminfo").read_text().split()[1]) * 1024 == int(float(total["value"][1]))


def test_documented_query_is_answered(stack: Monitored) -> None:
    query = ("promtool", "query", "instant", "http://localhost:9090", 'up{job="traefik"}')
    done = stack.project.fds("exec", "prometheus", "--", *query)
    assert done.returncode == 0 and "=> 1 @" in done.stdout, done.stdout + done.stderr


def test_killed_service_reaches_every_receiver_once(stack: Monitored) -> None:
    client = local_docker()
    postgres = running(client, STACK, "postgres")
    postgres.kill()
    try:
        assert _within(ALERT_S, lambda: all(_received(stack, "ServiceDown")))
        (row,) = [one for one in stack.project.json("alerts")["firing"] if one["alert"] == "ServiceDown"]
        assert (row["service"], row["summary"]) == ("postgres", "postgres does not answer")
        assert "ServiceDown" in stack.project.fds("alerts").stdout
    finally:
        postgres.start()
        client.close()
    time.sleep(12)  # more than the group's wait: a second message would be there
    (posted,), (mail,), (message,) = _received(stack, "ServiceDown")
    assert "postgres does not answer" in json.dumps(message)
    assert posted["labels"]["service"] == "postgres" and posted["labels"]["stack"] == STACK
    assert str(mail["Subject"]) == f"[firing] ServiceDown postgres, stack {STACK}"
    assert "postgres does not answer" in mail.as_string()


def test_alert_test_reports_what_each_receiver_answered(stack: Monitored) -> None:
    stack.webhook.status = 403
    done = stack.project.fds("alerts", "test", "--json", timeout=120)
    assert done.returncode == 5, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert results["email"] == "" and "403" in results["webhook"] and "403" in results["slack"], results
    assert "a-secret-path" not in done.stdout + done.stderr
    assert stack.mail.mails("Test")
    stack.webhook.status = 200


def test_status_names_the_receivers(stack: Monitored) -> None:
    assert stack.project.json("status")["alert_receivers"] == ["email", "slack", "webhook"]
    assert "Alerts go to: email, slack, webhook." in stack.project.fds("status").stdout


def test_no_page_of_the_monitoring_is_reachable_from_outside(stack: Monitored) -> None:
    services = selected(Settings.of(STACK, {"profiles": PROFILES}))
    for service in services:
        assert stack.status(service.name) == 404, service.name
    assert stack.status("dashboard") == 401  # the proxy does answer, and the only route needs a login
    client = local_docker()
    published = [item.labels["fds.service"] for item in containers(client, STACK) if any(item.ports.values())]
    client.close()
    assert published == ["traefik"]


def test_second_up_changes_nothing(stack: Monitored) -> None:
    assert stack.project.json("up")["changed"] == 0
