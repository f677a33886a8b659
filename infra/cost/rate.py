"""US dollars for one euro: a setting with its date, or the daily reference rate of the European Central Bank."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.cost.model import Fx
from infra.cost.saved import SHIPPED
from infra.settings import Settings
from stack_runtime.paths import cache_dir

ECB = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
_ECB_SECONDS = 3.0
_ECB_MOST_BYTES = 65_536
LEAST, MOST = Decimal("0.8"), Decimal("1.7")
"""A euro has cost between $0.82 and $1.60 since there is one; what lies outside this is a mistake."""


def implausible(rate: Decimal) -> bool:
    """Whether no euro was ever worth nearly that: such a rate is as good as none."""
    return not LEAST <= rate <= MOST


def find(settings: Settings, today: date, *, ask: bool) -> Fx:
    """The rate of the settings, else the newest of the cache, of the ECB (with `ask`) and of the package."""
    if settings.fx_rate is not None and settings.fx_date is not None:
        return Fx(rate=settings.fx_rate, date=settings.fx_date, source="settings")
    known = [found for found in (_cached(), shipped()) if found is not None and found.date <= today]
    newest = max(known, key=lambda fx: fx.date)
    if ask and newest.date < today:
        fresh = _asked()
        if fresh is not None and fresh.date <= today:
            return fresh
    return newest


def shipped() -> Fx:
    """The rate that the package was released with."""
    rate = json.loads((SHIPPED / "source.json").read_text())["rate"]
    return Fx(rate=Decimal(rate["usd_per_eur"]), date=date.fromisoformat(rate["date"]), source=rate["source"])


def _cache() -> Path:
    return cache_dir() / "ecb-rate.json"


def _cached() -> Fx | None:
    """What the ECB said last time; an unreadable cache is no cache."""
    try:
        return _checked(json.loads(_cache().read_text()))
    except (OSError, ValueError):
        return None


def _checked(found: Any) -> Fx | None:
    if not isinstance(found, dict):
        return None
    rate, day = str(found.get("rate")), str(found.get("date"))
    if not re.fullmatch(r"\d{1,3}\.\d{1,8}", rate) or not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        return None
    if implausible(Decimal(rate)):
        return None
    return Fx(rate=Decimal(rate), date=date.fromisoformat(day), source="ECB reference rate")


def _asked() -> Fx | None:
    """Ask the ECB. No answer is no rate: the plan then says how old the one is that it uses."""
    import requests  # 0.2 s that only this path needs

    try:
        with requests.get(ECB, timeout=_ECB_SECONDS, stream=True) as answer:
            answer.raise_for_status()
            text = next(answer.iter_content(_ECB_MOST_BYTES), b"").decode("utf-8", "replace")
        day = re.search(r"time=['\"]([\d-]+)['\"]", text)
        rate = re.search(r"currency=['\"]USD['\"]\s+rate=['\"]([\d.]+)['\"]", text)
        found = _checked({"rate": rate[1], "date": day[1]}) if day and rate else None
    except (requests.RequestException, ValueError):
        return None
    if found is not None:
        _remember(found)
    return found


def _remember(fx: Fx) -> None:
    """Best effort: a cache that cannot be written only means to ask again."""
    path = _cache()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"rate": str(fx.rate), "date": fx.date.isoformat()}))
        os.replace(temporary, path)
    except OSError:
        return
