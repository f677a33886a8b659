"""Test that values from files are shown as text, and amounts with the decimal places of their currency."""

from decimal import Decimal

import pytest

from data_stack.streamlit import formatting


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\r\n-2", "\u202e=1"])
def test_cell_that_begins_like_a_formula_is_prefixed_with_an_apostrophe(value: str) -> None:
    assert formatting.text(value).startswith("'")


def test_text_of_a_cell_is_one_line_of_limited_length() -> None:
    assert formatting.text("a\r\nb\x00c\u2028d\u202ee") == "a b c d e"
    assert len(formatting.text("x" * 1_000_000)) < 400
    assert formatting.text(None) == ""
    assert formatting.text(Decimal("-36.65")) == "-36.65"
    assert formatting.text("Refund: 50% – Köln, 研修") == "Refund: 50% – Köln, 研修"


def test_markup_is_escaped_and_web_and_mail_addresses_do_not_become_links() -> None:
    assert formatting.plain("**a** [b](c) `d` :red[e] $x$") == (
        r"\*\*a\*\* \[b\]\(c\) \`d\` \:red\[e\] \$x\$"
    )  # fmt: skip
    for address in ("http://a.test", "HTTPS://a.test", "www.a.test", "me@a.test"):
        assert address not in formatting.plain(address).replace("\\", "")


def test_small_decimal_is_written_without_an_exponent() -> None:
    for text in ("0." + "0" * 18, "0.000000100000", "-12.5", "100000000000000000000"):
        assert formatting.text(Decimal(text)) == text


def test_amount_has_the_decimal_places_of_its_currency() -> None:
    assert formatting.money(Decimal("1234567.5"), "EUR") == "1,234,567.50"
    assert formatting.money(Decimal("-1234567"), "JPY") == "-1,234,567"
    assert formatting.money(Decimal("1.5"), "KWD") == "1.500"
    assert formatting.money(Decimal("1.5"), "=HYPERLINK()") == "1.50"
    assert formatting.money(Decimal("-1234.00312"), "BTC") == "-1,234.00312"
    assert formatting.money(Decimal("0E-18"), "BTC") == "0.00"
    assert [formatting.number_format(currency) for currency in ("EUR", "JPY", "BTC")] == ["%,.2f", "%,.0f", "plain"]
    assert formatting.money(Decimal("99999999999999999999.99"), "USD") == "99,999,999,999,999,999,999.99"


def test_message_gets_a_capital_letter_and_a_full_stop() -> None:
    assert formatting.sentence("no run yet") == r"No run yet\."
