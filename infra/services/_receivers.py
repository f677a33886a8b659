"""Define what Alertmanager and Airflow share: the receivers of the setting `notify`, and their secrets."""

from __future__ import annotations

from infra.settings import Settings

SMTP_PASSWORD, SLACK_URL, WEBHOOK_URL = "smtp_password", "slack_url", "webhook_url"
"""Names of secrets that the user provides."""


def receivers(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of receivers that these settings have: `email`, `slack`, `webhook`."""
    notify = settings.notify
    wanted = (("email", notify.email), ("slack", notify.slack), ("webhook", notify.webhook))
    return tuple(name for name, is_wanted in wanted if is_wanted)


def asked(settings: Settings) -> tuple[str, ...]:
    """Return the names of the secrets that the receivers of these settings need and that cannot be generated."""
    notify = settings.notify
    wanted = ((SMTP_PASSWORD, has_login(settings)), (SLACK_URL, notify.slack), (WEBHOOK_URL, notify.webhook))
    return tuple(name for name, is_wanted in wanted if is_wanted)


def has_login(settings: Settings) -> bool:
    """Return whether `notify` has an SMTP server with a user, who then needs a password."""
    return bool(settings.notify.email and settings.notify.email.user)
