"""Define the bounds of `fds ask --yes`: the settings that may change without approval, and the highest cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agents.changes.proposal import changed_keys, spelled
from infra.scalable import KEYS
from infra.settings import Settings
from stack_runtime.errors import RefusedError, UsageError


class OutOfBoundsError(RefusedError):
    """The change is outside the bounds of `--yes`. A person can still approve it."""


@dataclass(frozen=True)
class Bounds:
    """Bounds that a person set before the change was planned.

    Args:
        allow: keys of the settings that may change, a subset of `KEYS`.
        up_to_usd: limit for the monthly cost of all stacks of the budget group together, in US dollars.
    """

    allow: frozenset[str]
    up_to_usd: Decimal

    @classmethod
    def parse(cls, allow: str | None, up_to: str | None) -> Bounds:
        """Parse the values of `--allow KEYS --up-to USD`.

        Raises:
            UsageError: a value is missing or invalid.
        """
        if allow is None or up_to is None:
            raise _usage("--yes needs bounds: --allow and --up-to")
        keys = frozenset(key.strip() for key in allow.split(","))
        if unknown := sorted(keys - set(KEYS)):
            raise _usage(f"--allow takes {', '.join(KEYS)}, not '{unknown[0]}'")
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,2})?", up_to):
            raise _usage(f"--up-to is a number of US dollars a month such as 40, not '{up_to}'")
        return cls(keys, Decimal(up_to))

    @property
    def history_fields(self) -> dict[str, Any]:
        """Return the bounds as the history stores them."""
        return {"allow": sorted(self.allow), "up_to_usd": f"{self.up_to_usd:.2f}"}


def scaled_keys(before: Settings, after: Settings) -> list[str]:
    """Return the keys of the settings that differ, as `--allow` accepts them.

    Examples: `volumeGb`, or `memory` if the memory of any service differs.
    """
    keys = (spelled(key).partition(".")[0] for key in changed_keys(before, after))
    return list(dict.fromkeys(keys))


def _usage(what: str) -> UsageError:
    return UsageError(what, next_command='fds ask "WORDS" --yes --allow workers,memory --up-to 40')
