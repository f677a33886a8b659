"""Define Alertmanager, which sends Prometheus' firing alerts to the receivers of the setting `notify`.

It has no route.
"""

from __future__ import annotations

import json

from infra.services._model import Context, File, Health, Metrics, Resources, Service, Volume, secret, serves
from infra.services._receivers import SLACK_URL, SMTP_PASSWORD, WEBHOOK_URL, asked, has_login
from infra.settings import Email

PORT = 9093
_SUBJECT = "[{{ .Status }}] {{ .CommonLabels.alertname }} {{ .CommonLabels.service }}"
_TEXT = """{{ range .Alerts }}{{ if eq .Status "resolved" -}}
{{ .Labels.alertname }} is over. It was: {{ .Annotations.summary }}
from {{ .StartsAt }} to {{ .EndsAt }}
{{ else -}}
{{ .Labels.alertname }}: {{ .Annotations.summary }}
since {{ .StartsAt }}
{{ end }}{{ end }}"""
"""Template of a message's text; one message may contain both firing and resolved alerts."""


def _configuration(context: Context) -> str:
    """Return the configuration as JSON, which is valid YAML: every alert goes to all receivers of `notify`."""
    receiver: dict[str, object] = {"name": "all"}
    notify = context.settings.notify
    if notify.email:
        receiver["email_configs"] = [_email(notify.email, context.settings.stack)]
    if notify.slack:
        receiver["slack_configs"] = [
            {"api_url_file": f"/run/fds/{SLACK_URL}", "title": _SUBJECT, "text": _TEXT, "send_resolved": True}
        ]
    if notify.webhook:
        # Write the URL into this file, although it may contain a token: older versions of Alertmanager cannot read it
        # from another file, and Debian's older version may replace the image.
        receiver["webhook_configs"] = [{"url": context.secrets[WEBHOOK_URL]}]
    # Group also by `severity`. Only `CostNearBudget` has this label, with another value at 80, 90 and 100 % of the
    # budget. When the cost rises above 90 %, the alert of 80 % is resolved, and Prometheus reports this for 15 minutes.
    # If both alerts were in one group, Alertmanager would then repeat the message about 90 %.
    route = {
        "receiver": "all",
        "group_by": ["alertname", "service", "severity"],
        "group_wait": "10s",
        "group_interval": "5m",
        "repeat_interval": "12h",
    }
    return json.dumps({"route": route, "receivers": [receiver]}, indent=1)


def _email(email: Email, stack: str) -> dict[str, object]:
    found: dict[str, object] = {
        "to": email.to,
        "from": email.sender,
        "smarthost": f"{email.server}:{email.port}",
        "require_tls": email.require_tls,
        "headers": {"Subject": f"{_SUBJECT}, stack {stack}"},
        "html": "",
        "text": _TEXT,
        "send_resolved": True,
    }
    if email.user:
        found |= {"auth_username": email.user, "auth_password_file": f"/run/fds/{SMTP_PASSWORD}"}
    return found


SERVICE = Service(
    name="alertmanager",
    image="prom/alertmanager:v0.34.1",
    profile="monitoring",
    user="65534:65534",
    command=(
        "--config.file=/run/fds/alertmanager.yml",
        "--storage.path=/alertmanager",
        f"--web.listen-address=:{PORT}",
        "--cluster.listen-address=",
    ),
    asked=asked,
    files=(
        File("alertmanager.yml", _configuration),
        secret(SMTP_PASSWORD, has_login),
        secret(SLACK_URL, lambda settings: settings.notify.slack),
    ),
    volumes=(Volume("alertmanager", "/alertmanager"),),
    internet=True,  # to reach the receivers
    metrics=Metrics(PORT),
    resources=Resources(
        memory_mb=32,
        memory_limit_mb=128,
        cpu=0.05,
        cpu_limit=0.25,
        image_mb=192,
        processes=128,
        measured="16 MiB after four alerts",
    ),
    health=Health(serves(PORT, "/-/ready"), retries=24),
)
