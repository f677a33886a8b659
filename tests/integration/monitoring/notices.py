"""Read what the webhook and the mailbox of the tests received about alerts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.integration.monitoring.monitored import Monitored

MAILED = {
    "firing": r"^(\w+): (.+)\nsince \S.+$",
    "resolved": r"^(\w+) is over\. It was: (.+)\nfrom \S.+ to \S.+$",
}
"""For each status, the pattern of an alert in a mail; the groups are the name and the summary of the alert."""

Notice = tuple[str, str, str]
"""Name of an alert, its summary, and its status, which is `firing` or `resolved`."""
Alert = tuple[str, str]
"""Name of an alert, and a pattern that matches its whole summary."""


class Notices:
    """The alerts that the webhook and the mailbox received since this object was created."""

    def __init__(self, stack: Monitored) -> None:
        self._stack = stack
        self._posts, self._mails = len(stack.webhook.received), len(stack.mail.received)

    def posted(self) -> list[Notice]:
        """Return the alerts in all requests that the webhook received."""
        return [
            (alert["labels"]["alertname"], alert["annotations"]["summary"], alert["status"])
            for document in self._stack.webhook.received[self._posts :]
            for alert in document["alerts"]
        ]

    def mailed(self) -> list[Notice]:
        """Return the alerts in all mails; each alert has a line with the summary and a line with the times."""
        found: list[Notice] = []
        for mail in self._stack.mail.received[self._mails :]:
            (part,) = (part for part in mail.walk() if part.get_content_type() == "text/plain")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            text = content.decode().replace("\r\n", "\n")
            for status, pattern in MAILED.items():
                found += [(name, summary, status) for name, summary in re.findall(pattern, text, re.MULTILINE)]
        return found

    def numbers(self, alerts: Iterable[Alert], status: str) -> dict[Alert, tuple[int, int]]:
        """Return for each alert how often it was posted, and how often it was mailed, with this status."""

        def number(found: list[Notice], alert: Alert) -> int:
            name, summary = alert
            return sum((one, how) == (name, status) and bool(re.fullmatch(summary, text)) for one, text, how in found)

        return {alert: (number(self.posted(), alert), number(self.mailed(), alert)) for alert in alerts}
