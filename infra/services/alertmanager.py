"""Alertmanager: sends what fires in Prometheus to the receivers of the setting `alerts`. It has no route."""

from __future__ import annotations

import json

from infra.services._model import Context, File, Health, Metrics, Resources, Service, Volume, serves
from infra.settings import EmailAlerts, Settings

PORT = 9093
SMTP_PASSWORD, WEBHOOK = "smtp_password", "alert_webhook"
"""Names of secrets that the user provides."""

_TEXT = """{{ range .Alerts }}{{ .Labels.alertname }}: {{ .Annotations.summary }}
since {{ .StartsAt }}{{ if eq .Status "resolved" }}, resolved at {{ .EndsAt }}{{ end }}
{{ end }}"""


def receivers(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of receivers that these settings have: `email`, `webhook`."""
    wanted = (("email", settings.alerts.email), ("webhook", settings.alerts.webhook))
    return tuple(name for name, is_wanted in wanted if is_wanted)


def _has_login(settings: Settings) -> bool:
    return bool(settings.alerts.email and settings.alerts.email.user)


def _asked(settings: Settings) -> tuple[str, ...]:
    wanted = ((SMTP_PASSWORD, _has_login(settings)), (WEBHOOK, settings.alerts.webhook))
    return tuple(name for name, is_wanted in wanted if is_wanted)


def _configuration(context: Context) -> str:
    """Return the configuration as JSON, which is valid YAML: one route to one receiver with every channel."""
    receiver: dict[str, object] = {"name": "all"}
    alerts = context.settings.alerts
    if alerts.email:
        receiver["email_configs"] = [_email(alerts.email, context.settings.stack)]
    if alerts.webhook:
        # The URL may hold a token. Its file is this one, because older versions accept no other.
        receiver["webhook_configs"] = [{"url": context.secrets[WEBHOOK]}]
    route = {
        "receiver": "all",
        "group_by": ["alertname", "service"],
        "group_wait": "10s",
        "group_interval": "5m",
        "repeat_interval": "12h",
    }
    return json.dumps({"route": route, "receivers": [receiver]}, indent=1)


def _email(email: EmailAlerts, stack: str) -> dict[str, object]:
    subject = "[{{ .Status }}] {{ .CommonLabels.alertname }} {{ .CommonLabels.service }}, stack " + stack
    found: dict[str, object] = {
        "to": email.to,
        "from": email.sender,
        "smarthost": f"{email.server}:{email.port}",
        "require_tls": email.require_tls,
        "headers": {"Subject": subject},
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
    asked=_asked,
    files=(
        File("alertmanager.yml", _configuration),
        File(SMTP_PASSWORD, lambda context: context.secrets[SMTP_PASSWORD], _has_login),
    ),
    volumes=(Volume("alertmanager", "/alertmanager"),),
    internet=True,  # for the receivers
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
