"""Find the exchange rate in dollars per euro: a setting, or the reference rate of the European Central Bank."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.cost.planning.inputs import implausible
from infra.cost.planning.json_reader import decode
from infra.cost.planning.model import Fx
from infra.cost.sources.saved import SHIPPED
from infra.settings import Settings
from stack_runtime.deadline import within
from stack_runtime.errors import UnknownError
from stack_runtime.files import write_atomically
from stack_runtime.paths import cache_dir

ECB = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
_ECB_SECONDS = 3.0
"""Time limit in seconds for the whole response, which has about 2 KB."""
_ECB_MOST_BYTES = 65_536
_PARITY_STEP = Decimal("0.05")
"""A rate counts as inverted (euros per dollar) if it and the last known rate are on different sides of 1 and differ by
more than this."""

_NOTED_PERCENT = 2
"""Reports mention a rate in the settings that is at least this many percent below the last known rate."""


def find(settings: Settings, today: date, *, ask: bool) -> Fx:
    """Return the rate in the settings, else the newest rate: from the cache, the ECB (only with `ask`) or this package.

    Raises:
        UnknownError: the rate in the settings is probably inverted, so the bill would be too low.
    """
    newest = shipped()
    cached = _cached()
    if cached is not None and _follows(cached, newest, today):
        newest = cached
    if settings.fx_rate is not None and settings.fx_date is not None:
        given = Fx(rate=settings.fx_rate, date=settings.fx_date, source="settings")
        if not implausible(given.rate) and _is_inverted(given, newest):
            raise UnknownError(
                f"a rate of {given.rate} looks like euros for a dollar: the last known one is {newest.rate} dollars "
                f"for a euro, of {newest.date}",
                where=f"stack {settings.stack}",
                next_command="set fxRate or --fx-rate to the dollars for one euro",
            )
        note = _below(given, newest)
        return given.model_copy(update={"source": f"settings, {note}" if note else "settings", "note": note})
    if ask and newest.date < today:
        fresh = _asked()
        if fresh is not None and _follows(fresh, newest, today):
            _remember(fresh)
            return fresh
    return newest


def shipped() -> Fx:
    """Return the rate that this package contains."""
    rate = json.loads((SHIPPED / "source.json").read_text())["rate"]
    return Fx(rate=Decimal(rate["usd_per_eur"]), date=date.fromisoformat(rate["date"]), source=rate["source"])


def _follows(found: Fx, known: Fx, today: date) -> bool:
    """Return whether `found` is newer than `known`, not from the future, and not an inverted rate."""
    return known.date < found.date <= today and not _is_inverted(found, known)


def _is_inverted(found: Fx, known: Fx) -> bool:
    return (found.rate < 1) != (known.rate < 1) and abs(found.rate - known.rate) > _PARITY_STEP


def _below(given: Fx, known: Fx) -> str:
    """Return a note if `given` makes the bill at least `_NOTED_PERCENT` % smaller than `known`, else an empty text."""
    percent = (1 - given.rate / known.rate) * 100
    if percent < _NOTED_PERCENT:
        return ""
    return f"{percent:.1f} % below the last known rate, {known.rate:f} of {known.date}"


def _cache() -> Path:
    return cache_dir() / "ecb-rate.json"


def _cached() -> Fx | None:
    """Return the cached rate of the ECB; None if the cache is missing or invalid."""
    try:
        return _checked(decode(_cache().read_bytes(), "the cached rate", str(_cache())))
    except (OSError, ValueError, UnknownError):
        return None


def _checked(found: Any) -> Fx | None:
    if not isinstance(found, dict):
        return None
    rate, day = str(found.get("rate")), str(found.get("date"))
    if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,8}", rate) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day):
        return None
    if implausible(Decimal(rate)):
        return None
    return Fx(rate=Decimal(rate), date=date.fromisoformat(day), source="ECB reference rate")


def _asked() -> Fx | None:
    """Fetch the rate from the ECB; None without a valid response.

    A failure needs no warning, because reports show the date of the rate that is used instead.
    """
    import requests  # imported here: it takes 0.2 s, and only this function needs it

    def ask() -> str:
        with requests.get(ECB, timeout=_ECB_SECONDS, stream=True) as answer:
            answer.raise_for_status()
            return _bounded(answer.iter_content(8_192)).decode("utf-8")

    try:
        text = within(_ECB_SECONDS, ask)
        (day,) = re.findall(r"<Cube\s+time=['\"]([^'\"<>]*)['\"]", text)
        (rate,) = re.findall(r"<Cube\s+currency=['\"]USD['\"]\s+rate=['\"]([^'\"<>]*)['\"]", text)
        return _checked({"rate": rate, "date": day})
    except (requests.RequestException, TimeoutError, ValueError):  # a missing or second rate is a ValueError
        return None


def _bounded(chunks: Iterator[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > _ECB_MOST_BYTES:
            raise ValueError("this is not the daily list")
    return body


def _remember(fx: Fx) -> None:
    """Cache the rate; if that fails, the next call fetches it again."""
    path = _cache()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"rate": str(fx.rate), "date": fx.date.isoformat()}))
    except OSError:
        return
