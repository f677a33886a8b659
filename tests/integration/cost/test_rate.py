"""Test that invalid, implausible and slow responses of the ECB are ignored and not cached."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from infra.cost.sources import rate
from stack_runtime.errors import UnknownError
from tests.integration.cost.scripted import ScriptedServer
from tests.unit.cost import kit

TODAY = date(2026, 11, 24)
CACHED = '{"rate": "1.1500", "date": "2026-11-20"}'


def _list(*rows: tuple[str, str], day: str = "2026-11-23", more: str = "") -> bytes:
    """Return a list of exchange rates in the XML format of the ECB."""
    cubes = "".join(f"\t\t\t<Cube currency='{currency}' rate='{value}'/>\n" for currency, value in rows)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<Cube>\n\t\t<Cube time='{day}'>\n{cubes}\t\t</Cube>{more}\n\t</Cube>
</gesmes:Envelope>""".encode()


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedServer]:
    """Yield a double of the ECB's server; the cache has a rate that is four days older than `TODAY`."""
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    (tmp_path / "ecb-rate.json").write_text(CACHED)
    with ScriptedServer() as server:
        monkeypatch.setattr(rate, "ECB", f"http://127.0.0.1:{server.server_port}/daily.xml")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.stop.set()
        server.shutdown()


def _find(today: date = TODAY) -> tuple[str, str]:
    found = rate.find(kit.settings(), today, ask=True)
    return str(found.rate), found.date.isoformat()


def test_rate_newer_than_the_cached_rate_is_used_and_cached(bank: ScriptedServer, tmp_path: Path) -> None:
    bank.script = lambda path, page: (200, _list(("USD", "1.1434"), ("JPY", "170.1")))
    assert _find() == ("1.1434", "2026-11-23")
    kept = json.loads((tmp_path / "ecb-rate.json").read_text())
    assert kept == {"rate": "1.1434", "date": "2026-11-23"}


GOOD = ("USD", "1.1434")


@pytest.mark.parametrize(
    "body",
    [
        _list(GOOD, GOOD),
        _list(GOOD, ("JPY", "170.1"), ("USD", "1.0500")),
        _list(GOOD, more="<Cube time='2026-11-22'></Cube>"),
        _list(("GBP", "0.8600")),
        _list(("EUR", "0.8746"), ("usd", "1.1434")),
        _list(("USD", "0.8746")),
        _list(("USD", "114.34")),
        _list(("USD", "NaN")),
        _list(("USD", "1,1434")),
        _list(("USD", "1.1434e0")),
        _list(("USD", "-1.1434")),
        _list(("USD", "\u0661.\u0661\u0664")),
        _list(GOOD, day="2026-11-25"),
        _list(GOOD, day="2027-06-01"),
        _list(GOOD, day="2026-11-19"),
        _list(GOOD, day="2026-02-30"),
        _list(GOOD, day="\u0662\u0660\u0662\u0666-11-23"),
        _list(GOOD, day="23.11.2026"),
        _list(GOOD).replace(b"USD", b"US\xff"),
        _list(GOOD) + b" " * 70_000,
        b"<Cube " + b" " * 60_000 + b"<Cube currency='USD' " * 200,
        b"<html>1.1434 USD</html>",
        b"",
    ],
    ids=[
        "row twice", "row twice, differing", "two days", "no dollar", "small letters", "reversed", "a hundredfold",
        "NaN", "comma", "exponent", "negative", "other digits", "tomorrow", "next year", "older than known",
        "no such day", "day in other digits", "day in German", "not UTF-8", "huge", "pattern bomb", "HTML", "empty",
    ],
)  # fmt: skip
def test_implausible_rate_list_is_not_used_and_not_cached(bank: ScriptedServer, tmp_path: Path, body: bytes) -> None:
    bank.script = lambda path, page: (200, body)
    assert _find() == ("1.1500", "2026-11-20")
    assert (tmp_path / "ecb-rate.json").read_text() == CACHED
    year = timedelta(days=365)
    assert rate.find(kit.settings(), TODAY + year, ask=False).date == date(2026, 11, 20), "the list must not be used"


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_refused_request_gives_no_new_rate(bank: ScriptedServer, status: int) -> None:
    bank.script = lambda path, page: (status, _list(GOOD))
    assert _find() == ("1.1500", "2026-11-20")


def test_slow_rate_list_times_out(bank: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_ECB_SECONDS", 0.5)
    bank.script, bank.chunk, bank.pause = lambda path, page: (200, _list(GOOD)), 1, 0.05
    began = time.monotonic()
    assert _find() == ("1.1500", "2026-11-20")
    assert time.monotonic() - began < 5


def test_truncated_list_gives_no_new_rate(bank: ScriptedServer) -> None:
    bank.script, bank.missing = lambda path, page: (200, _list(GOOD)), 100
    assert _find() == ("1.1500", "2026-11-20")


def test_unreachable_ecb_gives_no_new_rate(bank: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "ECB", "http://127.0.0.1:9/daily.xml")
    assert _find() == ("1.1500", "2026-11-20")


def test_rate_below_1_is_used_if_it_is_close_to_the_cached_rate(bank: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "ecb-rate.json").write_text('{"rate": "1.0100", "date": "2026-11-20"}')
    bank.script = lambda path, page: (200, _list(("USD", "0.9950")))
    cached = rate.find(kit.settings(), TODAY, ask=False)
    assert cached.rate == Decimal("1.01")
    assert _find() == ("0.9950", "2026-11-23")


@pytest.mark.parametrize(
    "content",
    [
        b'{"rate": "1.0100", "rate": "1.0500", "date": "2026-11-20"}', b"[" * 100_000, b"\xff\xfe",
        gzip.compress(b"{}"),
        b'{"rate": "0.8700", "date": "2026-11-20"}', b'{"rate": "1.1500", "date": "2026-01-01"}',
        '{"rate": "\u0661.\u0661\u0664", "date": "2026-11-20"}'.encode(),
    ],
    ids=["rate twice", "deep", "not UTF-8", "gzip", "reversed", "older than shipped", "other digits"],
)  # fmt: skip
def test_implausible_cached_rate_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    (tmp_path / "ecb-rate.json").write_bytes(content)
    assert rate.find(kit.settings(), TODAY, ask=False) == rate.shipped()


@pytest.mark.parametrize("inverted", ["0.8696", "0.93", "0.999"])
def test_rate_in_euros_per_dollar_in_the_settings_is_an_error(
    inverted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    day = TODAY.isoformat()
    with pytest.raises(UnknownError, match="looks like euros for a dollar"):
        rate.find(kit.settings(fxRate=inverted, fxDate=day), TODAY, ask=False)
    (tmp_path / "ecb-rate.json").write_text('{"rate": "1.0200", "date": "2026-11-20"}')
    near = kit.settings(fxRate="0.985", fxDate=day)  # a rate below 1 is plausible if the cached rate is near 1
    assert rate.find(near, TODAY, ask=False).rate == Decimal("0.985")


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("1.0000", "settings, 10.2 % below the last known rate, 1.1133 of 2026-10-28"),
        ("1.1000", "settings"),
        ("1.6000", "settings"),
    ],
)
def test_description_of_a_configured_rate_says_if_it_is_far_below_the_last_known_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, source: str
) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path))
    settings = kit.settings(fxRate=given, fxDate=TODAY.isoformat())
    assert rate.find(settings, TODAY, ask=False).source == source
