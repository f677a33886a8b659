"""Find out within a bounded time whether an HTTP address answers."""

from __future__ import annotations

import urllib.error
import urllib.request

SECONDS = 4.0


def answers(url: str) -> bool:
    """Return whether a server answers a request for `url` with success or with 401."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, ValueError):
        return False
