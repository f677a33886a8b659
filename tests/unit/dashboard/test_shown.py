"""Values from files are shown as text, money as people write it."""

from decimal import Decimal

import pytest

from data_stack.streamlit import shown


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\r\n-2", "\u202e=1"])
def test_no_cell_begins_like_a_formula(value: str) -> None:
    assert shown.text(value).startswith("'")


def test_a_cell_is_one_bounded_line() -> None:
    assert shown.text("a\r\nb\x00c\u2028d\u202ee") == "a b c d e"
    assert len(shown.text("x" * 1_000_000)) < 400
    assert shown.text(None) == ""
    assert shown.text(Decimal("-36.65")) == "-36.65"
    assert shown.text("Refund: 50% – Köln, 研修") == "Refund: 50% – Köln, 研修"


def test_markup_is_escaped_and_addresses_are_broken_up() -> None:
    assert shown.plain("**a** [b](c) `d` :red[e] $x$") == (
        r"\*\*a\*\* \[b\]\(c\) \`d\` \:red\[e\] \$x\$"
    )  # fmt: skip
    for address in ("http://a.test", "HTTPS://a.test", "www.a.test", "me@a.test"):
        assert address not in shown.plain(address).replace("\\", "")


def test_money_has_the_places_of_its_currency() -> None:
    assert shown.money(Decimal("1234567.5"), "EUR") == "1,234,567.50"
    assert shown.money(Decimal("-1234567"), "JPY") == "-1,234,567"
    assert shown.money(Decimal("99999999999999999999.99"), "USD") == "99,999,999,999,999,999,999.99"


def test_a_message_is_a_sentence() -> None:
    assert shown.sentence("no run yet") == r"No run yet\."
