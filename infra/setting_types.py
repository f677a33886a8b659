"""Define the types of settings.

They accept only plain spellings of numbers, dates and booleans, while Pydantic accepts more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError


def reason_of(error: ValidationError) -> str:
    """Return why the first invalid value is refused, as `words_of` words it."""
    return words_of(error.errors()[0])


def words_of(detail: Mapping[str, Any]) -> str:
    """Return why a value is refused, from one entry of Pydantic's list of errors.

    The message describes a valid value (`_FORMS`) or is Pydantic's message with the replacements in `_WORDS`.
    """
    if form := _FORMS.get((detail.get("ctx") or {}).get("pattern", "")):
        return f"it must be {form}"
    text = str(detail["msg"])
    for theirs, ours in _WORDS.items():
        text = re.sub(theirs, ours, text)
    return text


_WORDS = {
    r"^Value error, ": "",
    r"^(Decimal input|[A-Z][a-z]+) should\b": "it must",
    r"^Field required$": "it is missing",
    r"^Extra inputs are not permitted$": "there is nothing of this name",
    r"^JSON decode error$": "it is not JSON",
    r"\bvalid dictionary( or .*)?$": "valid object",
    r"\bvalid tuple$": "valid list",
    r"\bvalid string(, unable to .*)?$": "valid text",
    r"\bvalid integer\b": "valid whole number",
    r" after validation\b": "",
}


def _number(value: object) -> object:
    """Refuse what Pydantic would also read as a number, such as `true`, `1_000` and digits of other alphabets."""
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(_DIGITS, value)):
        raise ValueError("it must be a number such as 10 or 9.90")
    return value


def _flag(value: object) -> object:
    """Accept only true and false, also as texts; Pydantic would also accept 0, 1, `yes` and `on`."""
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise ValueError("it must be true or false")
    return value


def _day(value: object) -> object:
    """Accept only a date or a text such as `2026-10-07`; Pydantic would also accept seconds since 1970."""
    if not isinstance(value, date) and not (isinstance(value, str) and re.fullmatch(_ISO_DAY, value)):
        raise ValueError("it must be a date such as 2026-10-07")
    return value


def _network(value: str) -> str:
    if "%" in value:
        raise ValueError("it must not name an interface of a machine, as in fe80::1%eth0")
    return str(ip_network(value))


_DIGITS = r"[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?"
_ISO_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

_FORMS: dict[str, str] = {}
"""Description of a valid text for error messages, by the pattern that a valid text matches."""


def _text(pattern: str, form: str, longest: int | None = None) -> Any:
    """Return the Pydantic constraint of a text that must match `pattern`.

    Args:
        form: description of a valid text, for the error message.
        longest: maximum number of characters.
    """
    _FORMS[pattern] = form
    return Field(pattern=pattern, max_length=longest)


NAME = r"[a-z][a-z0-9-]{0,30}"
"""Pattern for the names of stacks, profiles and services."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"^{_LABEL}(\.{_LABEL})*$"
_MAIL = "an e-mail address, such as me@example.com"
Name = Annotated[str, _text(f"^{NAME}$", "at most 31 lower-case letters, digits and hyphens, with a letter first")]
Domain = Annotated[str, _text(_DOMAIN, "a domain in lower case, such as data.example.com", 253)]
DomainOrNone = Annotated[str, _text(rf"^$|{_DOMAIN}", "a domain in lower case, such as example.com", 253)]
ProviderCode = Annotated[
    str, _text(r"^[a-z0-9-]{2,32}$", "a name of the provider in lower case, such as cpx22 or fsn1")
]
MailAddress = Annotated[str, _text(r"^[^@\s{}]+@[^@\s{}]+$", _MAIL, 254)]
MailAddressOrNone = Annotated[str, _text(r"^$|^[^@\s]+@[^@\s]+$", _MAIL, 254)]
SshHost = Annotated[
    str,
    _text(r"^$|^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$", "a host name or address, such as server.example.com"),
]
LinuxUser = Annotated[str, _text(r"^[a-z_][a-z0-9_-]{0,31}$", "a user name of Linux, such as root")]
DebianImage = Annotated[str, _text(r"^debian-(1[2-9]|[2-9]\d)$", "an image of Debian from 12 on, such as debian-12")]
AcmeDirectory = Annotated[
    str,
    _text(
        r"^(production|staging|https://[A-Za-z0-9.:/-]+)$",
        "production, staging, or the https:// address of an ACME directory",
    ),
]
RegistryAddress = Annotated[
    str,
    _text(r"^$|^https?://[A-Za-z0-9.:\[\]-]+$", "an address such as https://mirror.example.com, without a path"),
]
Plain = BeforeValidator(_number)
"""Validator that accepts only plain spellings of a number, such as 10 or 9.90. In an annotation, put it after the
bounds. Bounds that follow a validator are missing in the JSON schema, which forms and language models read."""
Port = Annotated[int, Field(ge=1, le=65_535), Plain]
MOST_VOLUME_GB = 10_240
"""Size of the provider's largest data volume."""
VolumeGb = Annotated[int, Field(ge=10, le=MOST_VOLUME_GB), Plain]
Budget = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, decimal_places=2, allow_inf_nan=False), Plain]
"""Budget in whole cents, because totals are in whole cents, and reports would show a rounded budget."""
Money = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, allow_inf_nan=False), Plain]
Rate = Annotated[Decimal, Field(gt=0, le=100, max_digits=12, allow_inf_nan=False), Plain]
Flag = Annotated[bool, BeforeValidator(_flag)]
Day = Annotated[date, BeforeValidator(_day)]
Network = Annotated[str, AfterValidator(_network)]
"""Network in CIDR notation, or a single address."""
