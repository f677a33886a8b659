"""Test the generated configuration of the monitoring services with their own tools, from the images of the services.

Also test that every alert rule has a rule test and a staged fault.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra.component import generated_secrets
from infra.hosts import container_metrics as program
from infra.services import Context, catalogue, selected
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from tests.integration.monitoring.faults import write
from tests.integration.monitoring.monitored import SCHEDULE
from tests.integration.monitoring.notices import Alert
from tests.integration.monitoring.scenarios import SCENARIOS

RULE_TESTS = {path.name: path.read_text() for path in Path(__file__).parent.glob("alert_rules*_test.yml")}
EMAIL = {"to": "me@example.org", "sender": "fds@example.org", "server": "smtp.example.org", "user": "me"}
EVERY_ALERT = {"schedule": "hourly", "host": "ssh"}
"""Settings with which the generated rules have every alert."""
RECEIVERS = [{}, {"webhook": True}, {"slack": True}, {"email": EMAIL}, {"email": EMAIL, "slack": True, "webhook": True}]


def files(service: str, **values: Any) -> dict[str, str]:
    """Return the files of a service in a stack with these settings and, by default, the profile `full`."""
    settings = Settings.of("t-monitoring", {"profiles": ["full"], **values})
    services = selected(settings)
    names = {*generated_secrets.names(settings), *(name for one in services for name in one.asked(settings))}
    secrets = dict.fromkeys(names, "http://receiver.example.org/?token=a\"quoted'one")
    found = {one.name: one for one in services}[service]
    return {file.name: file.content(Context(settings, secrets, services)) for file in found.files}


def tool(service: str, *command: str, **given: str) -> tuple[int, str]:
    """Run a tool of the service's image, with the files `given` in `/run/fds`. Returns: its exit code and output."""
    image = str(next(one.image for one in catalogue() if one.name == service))
    client = local_docker()
    container = client.containers.create(image, list(command[1:]), entrypoint=[command[0]], network_mode="none")
    try:
        write(container, "/run", {f"fds/{name}": content for name, content in given.items()})
        container.start()
        code = container.wait()["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True, v=True)  # `v` removes the volume that the image declares
        client.close()


@pytest.mark.parametrize("schedule", ["never", "hourly", "daily", "weekly"])
def test_promtool_accepts_the_configuration_and_the_rules_of_every_schedule(schedule: str) -> None:
    code, output = tool("prometheus", "promtool", "check", "config", "/run/fds/prometheus.yml",
                        **files("prometheus", schedule=schedule))  # fmt: skip
    assert code == 0, output
    assert "SUCCESS" in output


def test_promtool_refuses_a_broken_rule() -> None:
    given = files("prometheus")
    given["rules.yml"] = given["rules.yml"].replace("up == 0", "up ==")
    code, output = tool("prometheus", "promtool", "check", "config", "/run/fds/prometheus.yml", **given)
    assert code != 0, output


def test_rules_pass_every_test_in_the_files_of_rule_tests() -> None:
    given = {"rules.yml": files("prometheus", **EVERY_ALERT)["rules.yml"], **RULE_TESTS}
    code, output = tool(
        "prometheus", "promtool", "test", "rules", *(f"/run/fds/{name}" for name in RULE_TESTS), **given
    )
    assert code == 0, output
    assert output.count("SUCCESS") == len(RULE_TESTS) == 2


def test_every_alert_rule_has_a_test_in_the_files_of_rule_tests() -> None:
    rules = json.loads(files("prometheus", **EVERY_ALERT)["rules.yml"])["groups"][0]["rules"]
    text = "".join(RULE_TESTS.values())
    assert [rule["alert"] for rule in rules if f"alertname: {rule['alert']}\n        exp_alerts" not in text] == []


def _not_staged(rules: list[dict[str, Any]], staged: list[Alert]) -> list[str]:
    """Find the rules whose alert is not in `staged`, the alerts that the staged faults cause.

    Returns: the summary of each rule that matches no alert in `staged`, and the name of each alert that has more
    rules than different summaries in `staged`.
    """

    def fits(rule: dict[str, Any], alert: Alert) -> bool:
        literals = re.split(r"{{.*?}}", rule["annotations"]["summary"])
        return alert[0] == rule["alert"] and bool(re.fullmatch(".+".join(map(re.escape, literals)), alert[1]))

    unfit = [rule["annotations"]["summary"] for rule in rules if not any(fits(rule, alert) for alert in staged)]
    numbers = Counter(rule["alert"] for rule in rules)
    numbers.subtract(name for name, _ in set(staged))
    return unfit + [name for name, missing in numbers.items() if missing > 0]


def test_every_alert_rule_has_a_staged_fault_and_no_staged_alert_is_superfluous() -> None:
    given = files("prometheus", **EVERY_ALERT | {"schedule": SCHEDULE})["rules.yml"]
    rules = json.loads(given)["groups"][0]["rules"]
    staged = [alert for scenario in SCENARIOS.values() for alert in scenario.alerts]
    assert _not_staged(rules, staged) == []
    for alert in staged:  # if any alert is left out, at least one rule has no fault
        assert _not_staged(rules, [other for other in staged if other != alert]) != [], alert


@pytest.mark.parametrize(("change", "accepted"), [(("", ""), True), (("valid_status_codes", "valid_codes"), False)])
def test_blackbox_exporter_accepts_its_configuration_and_refuses_an_unknown_key(
    change: tuple[str, str], accepted: bool
) -> None:
    given = {"blackbox.yml": files("blackbox-exporter")["blackbox.yml"].replace(*change)}
    check = ("/bin/blackbox_exporter", "--config.check", "--config.file=/run/fds/blackbox.yml")
    code, output = tool("blackbox-exporter", *check, **given)
    assert (code == 0) == accepted, output


@pytest.mark.parametrize("notify", RECEIVERS, ids=["none", "webhook", "slack", "email", "all"])
def test_amtool_accepts_the_configuration_of_alertmanager(notify: dict[str, Any]) -> None:
    given = files("alertmanager", notify=notify)
    code, output = tool("alertmanager", "amtool", "check-config", "/run/fds/alertmanager.yml", **given)
    assert code == 0, output


@pytest.mark.parametrize(
    ("status", "expected", "unwanted"),
    [
        ("firing", ["ServiceDown: postgres does not answer", "since 2026-11-30 07:00:00"], "over"),
        (
            "resolved",
            [
                "ServiceDown is over. It was: postgres does not answer",
                "from 2026-11-30 07:00:00",
                "to 2026-11-30 07:09",
            ],
            "since",
        ),
    ],
)
def test_message_says_in_title_and_text_whether_the_alert_is_over(
    status: str, expected: list[str], unwanted: str
) -> None:
    configuration = json.loads(files("alertmanager", notify={"email": EMAIL, "slack": True})["alertmanager.yml"])
    (receiver,) = configuration["receivers"]
    (email,), (slack,) = receiver["email_configs"], receiver["slack_configs"]
    labels = {"alertname": "ServiceDown", "service": "postgres"}
    times = {"startsAt": "2026-11-30T07:00:00Z", "endsAt": "2026-11-30T07:09:00Z"}
    alert = {"status": status, "labels": labels, "annotations": {"summary": "postgres does not answer"}, **times}
    given = {"data.json": json.dumps({"status": status, "commonLabels": labels, "alerts": [alert]}), "none.tmpl": ""}
    for template in (email["text"], slack["text"]):
        code, text = _rendered(template, given)
        assert code == 0 and unwanted not in text, text
        assert [part for part in expected if part not in text] == [], text
    for template in (email["headers"]["Subject"], slack["title"]):
        code, text = _rendered(template, given)
        assert code == 0 and text.startswith(f"[{status}] ServiceDown postgres"), text


def _rendered(template: str, given: dict[str, str]) -> tuple[int, str]:
    """Render a template of a message with Alertmanager's own tool. Returns: its exit code and output."""
    options = ("--template.glob=/run/fds/*.tmpl", "--template.data=/run/fds/data.json", f"--template.text={template}")
    return tool("alertmanager", "amtool", "template", "render", *options, **given)


@pytest.mark.parametrize("service", ['a"} 1\nup{job="\\b', "", "redis"])
def test_promtool_accepts_container_metrics_even_if_a_service_name_is_empty_or_has_quotes(service: str) -> None:
    sample = program.Sample({"name": "x", "service": service}, (0.5, 10, 2, 64))
    given = {"containers.prom": program.render([sample, sample._replace(labels={"name": "y", "service": "redis"})])}
    code, output = tool("prometheus", "sh", "-c", "promtool check metrics < /run/fds/containers.prom", **given)
    assert code == 0, output


def test_promtool_refuses_a_metrics_file_in_which_a_quote_in_a_service_name_is_not_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "_escaped", str)
    given = {"containers.prom": program.render([program.Sample({"service": 'a"b'}, (0.5, 10, 2, 64))])}
    code, output = tool("prometheus", "sh", "-c", "promtool check metrics < /run/fds/containers.prom", **given)
    assert code != 0, output
