"""Test the generated configuration with Prometheus' and Alertmanager's own tools, from the images of the services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.component import generated_secrets
from infra.services import Context, catalogue, selected
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from tests.integration.monitoring.faults import write

RULE_TESTS = Path(__file__).with_name("alert_rules_test.yml")
EMAIL = {"to": "me@example.org", "sender": "fds@example.org", "server": "smtp.example.org", "user": "me"}
RECEIVERS = [{}, {"webhook": True}, {"slack": True}, {"email": EMAIL}, {"email": EMAIL, "slack": True, "webhook": True}]


def files(service: str, **values: Any) -> dict[str, str]:
    """Return the files of a service of a stack with the profile `monitoring` and these settings."""
    settings = Settings.of("t-monitoring", {"profiles": ["full"], **values})
    services = selected(settings)
    names = {*generated_secrets.names(settings), *(name for one in services for name in one.asked(settings))}
    secrets = dict.fromkeys(names, "http://receiver.example.org/?token=a\"quoted'one")
    found = {one.name: one for one in services}[service]
    return {file.name: file.content(Context(settings, secrets, services)) for file in found.files}


def tool(service: str, *command: str, **given: str) -> tuple[int, str]:
    """Run a tool of the service's image on files in `/run/fds`. Returns: its exit code and output."""
    image = str(next(one.image for one in catalogue() if one.name == service))
    client = local_docker()
    container = client.containers.create(image, list(command[1:]), entrypoint=[command[0]], network_mode="none")
    try:
        write(container, "/run", {f"fds/{name}": content for name, content in given.items()})
        container.start()
        code = container.wait()["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True, v=True)  # the image declares a volume
        client.close()


@pytest.mark.parametrize("schedule", ["never", "hourly", "daily", "weekly"])
def test_promtool_accepts_configuration_and_rules(schedule: str) -> None:
    code, output = tool("prometheus", "promtool", "check", "config", "/run/fds/prometheus.yml",
                        **files("prometheus", schedule=schedule))  # fmt: skip
    assert code == 0, output
    assert "SUCCESS" in output


def test_promtool_refuses_a_broken_rule() -> None:
    given = files("prometheus")
    given["rules.yml"] = given["rules.yml"].replace("up == 0", "up ==")
    code, output = tool("prometheus", "promtool", "check", "config", "/run/fds/prometheus.yml", **given)
    assert code != 0, output


def test_alerts_fire_when_they_should_and_only_then() -> None:
    given = {"rules.yml": files("prometheus", schedule="hourly")["rules.yml"], "test.yml": RULE_TESTS.read_text()}
    code, output = tool("prometheus", "promtool", "test", "rules", "/run/fds/test.yml", **given)
    assert code == 0, output


def test_every_alert_has_a_rule_test() -> None:
    rules = json.loads(files("prometheus", schedule="hourly")["rules.yml"])["groups"][0]["rules"]
    text = RULE_TESTS.read_text()
    assert [rule["alert"] for rule in rules if f"alertname: {rule['alert']}\n        exp_alerts" not in text] == []


@pytest.mark.parametrize(("change", "accepted"), [(("", ""), True), (("valid_status_codes", "valid_codes"), False)])
def test_blackbox_exporter_accepts_its_configuration_and_refuses_an_unknown_key(
    change: tuple[str, str], accepted: bool
) -> None:
    given = {"blackbox.yml": files("blackbox-exporter")["blackbox.yml"].replace(*change)}
    check = ("/bin/blackbox_exporter", "--config.check", "--config.file=/run/fds/blackbox.yml")
    code, output = tool("blackbox-exporter", *check, **given)
    assert (code == 0) == accepted, output


@pytest.mark.parametrize("notify", RECEIVERS, ids=["none", "webhook", "slack", "email", "all"])
def test_amtool_accepts_the_configuration(notify: dict[str, Any]) -> None:
    given = files("alertmanager", notify=notify)
    code, output = tool("alertmanager", "amtool", "check-config", "/run/fds/alertmanager.yml", **given)
    assert code == 0, output
