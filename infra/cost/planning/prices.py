"""Read Hetzner's responses to `GET /pricing` and `GET /server_types`, check them, and return them as one price list.

Every price is kept net and gross. A value that is missing, negative, unexpectedly zero, of the wrong type or given
twice raises `UnknownError` with its path in the response. Unknown values never count as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from infra.cost.planning.json_reader import MOST, JsonReader
from infra.cost.planning.model import Currency, Frozen, Tax
from stack_runtime.errors import UnknownError

_SAME = Decimal("0.0001")
"""Relative tolerance between a gross price and net plus VAT."""
_FOUR_PLACES = Decimal("0.00011")
"""Absolute tolerance when net and gross are both rounded to four decimal places, as hourly prices are: 0.00005 for
gross, and 0.00005 plus VAT for net."""
_CENT = Decimal("0.01")

Value = TypeVar("Value")


class Price(Frozen):
    """Net and gross price of one unit, in the currency of the account."""

    net: Decimal
    gross: Decimal

    def of(self, tax: Tax) -> Decimal:
        """Return the net or the gross price."""
        return self.gross if tax == "gross" else self.net


class Rent(Frozen):
    """Price per hour, and the monthly cap."""

    hourly: Price
    monthly: Price


class Offer(Frozen):
    """Price and availability of a server type at one location; `included_traffic` is in bytes."""

    rent: Rent
    included_traffic: int
    per_tb: Price
    available: bool
    withdrawn_on: date | None

    def orderable(self, today: date) -> bool:
        """Return whether a new server of this type can be ordered on the date `today`."""
        return self.available and (self.withdrawn_on is None or today < self.withdrawn_on)


class ServerType(Frozen):
    """A server type; memory and disk in GB."""

    name: str
    cores: int
    memory_gb: Decimal
    disk_gb: int
    architecture: str
    offers: dict[str, Offer]


class PriceList(Frozen):
    """All prices that a plan can need, from one source at one date."""

    currency: Currency
    vat_percent: Decimal
    date: date
    source: str
    server_types: dict[str, ServerType]
    volume_gb: Price
    snapshot_gb: Price
    backup_percent: Decimal
    ipv4: dict[str, Rent]
    floating_ips: dict[tuple[str, str], Price]
    """Monthly price by kind and location."""
    load_balancers: dict[tuple[str, str], Rent]
    """Price by type and location."""
    warnings: tuple[str, ...] = ()

    @property
    def locations(self) -> tuple[str, ...]:
        """Return all locations at which at least one server type is offered."""
        return tuple(sorted({place for kind in self.server_types.values() for place in kind.offers}))


class _Terms(NamedTuple):
    """Prices and included traffic of a server type at one location, as one of the two responses states them."""

    rent: Rent
    included_traffic: int
    per_tb: Price


def read(pricing: Any, server_types: Iterable[Any], *, day: date, source: str) -> PriceList:
    """Return the price list that two responses of the API contain.

    Args:
        pricing: the whole response with the prices, `{"pricing": {…}}`.
        server_types: the entries of all pages with server types.

    Raises:
        UnknownError: a value is invalid; the error names the first invalid value and its path.
    """
    return _Reader(JsonReader(pricing, "answer", source).get("pricing"), day, source).read(list(server_types))


class _Reader:
    """Reader of the responses with prices and with server types; it collects warnings for the report."""

    def __init__(self, pricing: JsonReader, day: date, source: str) -> None:
        self._pricing = pricing
        self._day = day
        self._source = source
        self._vat = pricing.get("vat_rate").decimal(above_zero=False)
        if self._vat > 100:
            raise pricing.get("vat_rate").fail("is above 100 %")
        self._currency = pricing.get("currency").text()
        self._doubts: dict[str, str] = {}

    def read(self, server_types: list[Any]) -> PriceList:
        pricing = self._pricing
        if self._currency not in ("EUR", "USD"):
            raise pricing.get("currency").fail(f"is {self._currency!r}, only EUR and USD are known")
        return PriceList(
            currency="EUR" if self._currency == "EUR" else "USD",
            vat_percent=self._vat,
            date=self._day,
            source=self._source,
            server_types=self._types(JsonReader(server_types, "server_types", self._source)),
            volume_gb=self._price(pricing.get("volume").get("price_per_gb_month")),
            snapshot_gb=self._price(pricing.get("image").get("price_per_gb_month")),
            backup_percent=self._backup(pricing.get("server_backup").get("percentage")),
            ipv4=self._ipv4(),
            floating_ips=self._floating_ips(),
            load_balancers=self._load_balancers(),
            warnings=tuple(self._doubts.values()),
        )

    def _backup(self, answer: JsonReader) -> Decimal:
        percent = answer.decimal(above_zero=True)
        if percent > 100:
            raise answer.fail("is above 100 %")
        return percent

    def _price(self, answer: JsonReader) -> Price:
        """Read one price, and check that gross is net plus VAT.

        If they differ by more than `_SAME`, but only by rounding, the higher of the two counts as gross.
        """
        self._same_currency(answer)
        net = answer.get("net").decimal(above_zero=True)
        gross = answer.get("gross").decimal(above_zero=True)
        if gross < net:
            raise answer.fail("has a gross price below the net one")
        expected = net * (100 + self._vat) / 100
        if abs(expected - gross) <= _SAME * gross:
            return Price(net=net, gross=gross)
        if abs(expected - gross) > _rounding(gross):
            raise answer.fail(
                f"has a gross price of {gross}, and net plus {self._vat} % VAT is {expected.normalize():f}"
            )
        return Price(net=net, gross=max(gross, expected))

    def _same_currency(self, answer: JsonReader) -> None:
        """Check that the currency of a price, if stated, is the currency of the list."""
        if answer.has("currency") and answer.get("currency").text() != self._currency:
            raise answer.get("currency").fail(f"is not {self._currency}, the currency of the list")

    def _rent(self, answer: JsonReader) -> Rent:
        rent = Rent(hourly=self._price(answer.get("price_hourly")), monthly=self._price(answer.get("price_monthly")))
        if rent.monthly.net < rent.hourly.net:
            raise answer.fail("costs less a month than an hour")
        return rent

    def _types(self, answers: JsonReader) -> dict[str, ServerType]:
        """Read all server types, with their prices from both responses."""
        priced = self._by_location(self._pricing.get("server_types"), "name", self._terms)
        found = {name: self._type(name, answer, priced) for name, answer in answers.by("name")}
        if not found:
            raise answers.fail("is empty")
        return found

    def _by_location(
        self, answers: JsonReader, key: str, read: Callable[[JsonReader], Value], wanted: Callable[[str], bool] = bool
    ) -> dict[tuple[str, str], Value]:
        """Return the prices, converted by `read`, by name and location, for the names that `wanted` accepts.

        The member `key` of an answer is its name. A duplicate name or location is an error.
        """
        found: dict[tuple[str, str], Value] = {}
        for name, answer in answers.by(key):
            self._same_currency(answer)
            for location, price in answer.get("prices").by("location"):
                self._same_currency(price)
                if wanted(name):
                    found[name, location] = read(price)
        return found

    def _type(self, name: str, answer: JsonReader, priced: Mapping[tuple[str, str], _Terms]) -> ServerType:
        self._same_currency(answer)
        places = dict(answer.get("locations").by("name"))
        ends = self._withdrawn(answer) or self._withdrawn_without_date(answer, places.values())
        offers: dict[str, Offer] = {}
        for location, price in answer.get("prices").by("location"):
            self._same_currency(price)
            terms = self._dearest(name, location, self._terms(price), priced)
            offers[location] = self._offer(terms, places.get(location), ends)
        if not offers:
            raise answer.get("prices").fail("is empty")
        return ServerType(
            name=name,
            cores=answer.get("cores").whole(least=1, most=int(MOST)),
            memory_gb=answer.get("memory").size(),
            disk_gb=answer.get("disk").whole(least=1, most=int(MOST)),
            architecture=answer.get("architecture").text(),
            offers=offers,
        )

    def _terms(self, price: JsonReader) -> _Terms:
        traffic = price.get("included_traffic").whole(least=0)
        return _Terms(self._rent(price), traffic, self._price(price.get("price_per_tb_traffic")))

    def _dearest(self, name: str, location: str, own: _Terms, priced: Mapping[tuple[str, str], _Terms]) -> _Terms:
        """Return the higher prices and the lower included traffic of the two responses; warn if they differ."""
        other = priced.get((name, location), own)
        if other == own:
            return own
        self._doubts.setdefault(
            "two", f"the two price lists differ for {name} in {location} and perhaps others, the higher price is used"
        )
        one, two = own.rent, other.rent
        rent = Rent(hourly=_dearer(one.hourly, two.hourly), monthly=_dearer(one.monthly, two.monthly))
        return _Terms(rent, min(own.included_traffic, other.included_traffic), _dearer(own.per_tb, other.per_tb))

    def _offer(self, terms: _Terms, place: JsonReader | None, ends: date | None) -> Offer:
        return Offer(
            rent=terms.rent,
            included_traffic=terms.included_traffic,
            per_tb=terms.per_tb,
            available=place is not None and place.get("available").flag(),
            withdrawn_on=min(filter(None, (ends, self._withdrawn(place))), default=None),
        )

    def _withdrawn_without_date(self, kind: JsonReader, places: Iterable[JsonReader]) -> date | None:
        """Return the date of the price list if it calls a type deprecated without a date; else None."""
        deprecated = kind.has("deprecated") and kind.get("deprecated").flag()
        return self._day if deprecated and not any(one.has("deprecation") for one in (kind, *places)) else None

    @staticmethod
    def _withdrawn(answer: JsonReader | None) -> date | None:
        """Return the date from which a deprecated type cannot be ordered any more; None if it is not deprecated."""
        if answer is None or not answer.has("deprecation"):
            return None
        deprecation = answer.get("deprecation")
        ends = deprecation.get("unavailable_after").day()
        if deprecation.has("announced") and deprecation.get("announced").day() > ends:
            raise deprecation.fail("ends before it was announced")
        return ends

    def _ipv4(self) -> dict[str, Rent]:
        """Read prices of IPv4 addresses; IPv6 is free."""
        answers = self._pricing.get("primary_ips")
        rents = self._by_location(answers, "type", self._rent, wanted=lambda kind: kind == "ipv4")
        if not rents:
            raise answers.fail("has no price of an IPv4 address")
        return {location: rent for (_, location), rent in rents.items()}

    def _floating_ips(self) -> dict[tuple[str, str], Price]:
        answers = self._pricing.get("floating_ips")
        return self._by_location(answers, "type", lambda price: self._price(price.get("price_monthly")))

    def _load_balancers(self) -> dict[tuple[str, str], Rent]:
        return self._by_location(self._pricing.get("load_balancer_types"), "name", self._rent)


def _rounding(gross: Decimal) -> Decimal:
    """Return the larger tolerance: `_FOUR_PLACES`, or half a unit of the last place of `gross` (at most 0.005)."""
    places = -int(gross.as_tuple().exponent)
    return max(_FOUR_PLACES, min(_CENT, Decimal(1).scaleb(-places)) / 2)


def _dearer(one: Price, other: Price) -> Price:
    return Price(net=max(one.net, other.net), gross=max(one.gross, other.gross))


def unknown_price(what: str, prices: PriceList) -> UnknownError:
    """Return the error for a price that the list lacks."""
    way = "choose another serverType or location, or plan with --prices DIR"
    return UnknownError(f"there is no price for {what}", where=prices.source, next_command=way)
