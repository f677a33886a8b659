"""Codes and abbreviations of currencies.

Other letters beside a number may be a unit, or a word such as million, so they are not taken for a currency.
"""

from __future__ import annotations

CODES = (
    "AED", "ARS", "AUD", "BDT", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP",
    "GHS", "HKD", "HRK", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KRW", "KWD", "LKR", "MAD", "MXN", "MYR",
    "NGN", "NOK", "NPR", "NZD", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB",
    "TND", "TRY", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "VES", "VND", "XAF", "XOF", "ZAR",
)  # fmt: skip
"""Codes of ISO 4217."""
ABBREVIATIONS = (
    "BTC", "Bs", "DM", "Fr", "Ft", "Kč", "kr", "lei", "RM", "Rp", "Rs", "SFr", "Sh", "Tk", "TL", "zł", "грн",
    "лв", "руб", "元", "円", "원",
)  # fmt: skip
"""Abbreviations that are also written with a dot at the end."""
