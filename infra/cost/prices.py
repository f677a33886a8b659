"""The price list: Hetzner's `GET /pricing` and `GET /server_types`, checked and typed.

Every price is kept net and gross. Whatever is missing, negative, zero where nothing is free, or of the wrong
type raises `UnknownError` with its place: nothing unknown counts as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from infra.cost.checked import Answer
from infra.cost.model import Currency, Frozen, Tax
from stack_runtime.errors import UnknownError

_API_ROUNDING = Decimal("0.0001")
"""How far a gross price may be from net plus VAT, as a part of itself."""


class Price(Frozen):
    """Money for one unit in the currency of the account."""

    net: Decimal
    gross: Decimal

    def of(self, tax: Tax) -> Decimal:
        """The figure that `tax` asks for."""
        return self.gross if tax == "gross" else self.net


class Rent(Frozen):
    """What a thing costs by the hour, and the cap that a month cannot exceed."""

    hourly: Price
    monthly: Price


class Offer(Frozen):
    """A server type at one location. Traffic in bytes."""

    rent: Rent
    included_traffic: int
    per_tb: Price
    available: bool
    withdrawn_on: date | None

    def orderable(self, today: date) -> bool:
        """Whether a new server of this kind can be had today."""
        return self.available and (self.withdrawn_on is None or today < self.withdrawn_on)


class ServerType(Frozen):
    """A size of server. Memory and disk in GB."""

    name: str
    cores: int
    memory_gb: Decimal
    disk_gb: int
    architecture: str
    offers: dict[str, Offer]


class PriceList(Frozen):
    """Every price that a plan can need, of one day and one source."""

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
    """By kind and location: monthly only."""
    load_balancers: dict[tuple[str, str], Rent]
    """By type and location."""
    warnings: tuple[str, ...] = ()

    @property
    def locations(self) -> tuple[str, ...]:
        """Where servers are sold."""
        return tuple(sorted({place for kind in self.server_types.values() for place in kind.offers}))


def read(pricing: Any, server_types: Iterable[Any], *, day: date, source: str) -> PriceList:
    """Check the two answers (`pricing` as `{"pricing": {…}}`, `server_types` as the entries of all pages).

    Raises:
        UnknownError: with the first thing that is wrong, and where.
    """
    return _Reader(Answer(pricing, "answer", source).get("pricing"), source).read(list(server_types), day)


class _Reader:
    """One pass over both answers; collects what the report should say."""

    def __init__(self, pricing: Answer, source: str) -> None:
        self._pricing = pricing
        self._source = source
        self._vat = pricing.get("vat_rate").decimal(above_zero=False)
        if self._vat > 100:
            raise pricing.get("vat_rate").fail("is above 100 %")
        self._doubts: dict[str, str] = {}

    def read(self, server_types: list[Any], day: date) -> PriceList:
        pricing = self._pricing
        currency = pricing.get("currency").text()
        if currency not in ("EUR", "USD"):
            raise pricing.get("currency").fail(f"is {currency!r}, only EUR and USD are known")
        return PriceList(
            currency="EUR" if currency == "EUR" else "USD",
            vat_percent=self._vat,
            date=day,
            source=self._source,
            server_types=self._types(Answer(server_types, "server_types", self._source)),
            volume_gb=self._price(pricing.get("volume").get("price_per_gb_month")),
            snapshot_gb=self._price(pricing.get("image").get("price_per_gb_month")),
            backup_percent=self._backup(pricing.get("server_backup").get("percentage")),
            ipv4=self._ipv4(),
            floating_ips=self._floating_ips(),
            load_balancers=self._load_balancers(),
            warnings=tuple(self._doubts.values()),
        )

    def _backup(self, answer: Answer) -> Decimal:
        percent = answer.decimal(above_zero=True)
        if percent > 100:
            raise answer.fail("is above 100 %")
        return percent

    def _price(self, answer: Answer) -> Price:
        """Net and gross of one price; where they disagree with the VAT rate, the dearer reading counts."""
        net = answer.get("net").decimal(above_zero=True)
        gross = answer.get("gross").decimal(above_zero=True)
        if gross < net:
            raise answer.fail("has a gross price below the net one")
        reckoned = net * (100 + self._vat) / 100
        if abs(reckoned - gross) <= _API_ROUNDING * gross:
            return Price(net=net, gross=gross)
        self._doubts.setdefault("vat", f"gross prices are not net plus {self._vat} % VAT, the dearer reading counts")
        return Price(net=net, gross=max(gross, reckoned))

    def _rent(self, answer: Answer) -> Rent:
        rent = Rent(hourly=self._price(answer.get("price_hourly")), monthly=self._price(answer.get("price_monthly")))
        if rent.monthly.net < rent.hourly.net:
            raise answer.fail("costs less a month than an hour")
        return rent

    def _types(self, answers: Answer) -> dict[str, ServerType]:
        priced = self._type_prices()
        found: dict[str, ServerType] = {}
        for answer in answers.items():
            kind = self._type(answer, priced)
            if found.setdefault(kind.name, kind) != kind:
                raise answer.get("name").fail(f"{kind.name} came twice, and differently")
        if not found:
            raise answers.fail("is empty")
        return found

    def _type_prices(self) -> dict[tuple[str, str], Rent]:
        """The list of `GET /pricing`, which must not promise other prices than the types themselves."""
        return self._by_location(self._pricing.get("server_types"), "name")

    def _by_location(
        self, answers: Answer, key: str, wanted: Callable[[str], bool] = bool
    ) -> dict[tuple[str, str], Rent]:
        found: dict[tuple[str, str], Rent] = {}
        for answer in answers.items():
            name = answer.get(key).text()
            if not wanted(name):
                continue
            for price in answer.get("prices").items():
                place = (name, price.get("location").text())
                rent = self._rent(price)
                if found.setdefault(place, rent) != rent:
                    raise price.fail(f"prices {' in '.join(place)} twice, and differently")
        return found

    def _type(self, answer: Answer, priced: Mapping[tuple[str, str], Rent]) -> ServerType:
        name = answer.get("name").text()
        places = {place.get("name").text(): place for place in answer.get("locations").items()}
        offers: dict[str, Offer] = {}
        for price in answer.get("prices").items():
            location = price.get("location").text()
            rent = self._dearest(name, location, self._rent(price), priced)
            offer = self._offer(price, rent, places.get(location), answer)
            if offers.setdefault(location, offer) != offer:
                raise price.fail(f"prices {location} twice, and differently")
        architecture = answer.get("architecture").text()
        return ServerType(
            name=name,
            cores=answer.get("cores").whole(least=1),
            memory_gb=answer.get("memory").size(),
            disk_gb=answer.get("disk").whole(least=1),
            architecture=architecture,
            offers=offers,
        )

    def _dearest(self, name: str, location: str, own: Rent, priced: Mapping[tuple[str, str], Rent]) -> Rent:
        """The two answers may come from two moments: the dearer one counts, and the report says so."""
        other = priced.get((name, location), own)
        if other.monthly == own.monthly:
            return own
        self._doubts.setdefault(
            "two", f"the two price lists disagree about {name} in {location} and perhaps more, the dearer one counts"
        )
        return Rent(hourly=_dearer(own.hourly, other.hourly), monthly=_dearer(own.monthly, other.monthly))

    def _offer(self, price: Answer, rent: Rent, place: Answer | None, kind: Answer) -> Offer:
        return Offer(
            rent=rent,
            included_traffic=price.get("included_traffic").whole(least=0),
            per_tb=self._price(price.get("price_per_tb_traffic")),
            available=place is not None and place.get("available").flag(),
            withdrawn_on=min(filter(None, (self._withdrawn(kind), self._withdrawn(place))), default=None),
        )

    @staticmethod
    def _withdrawn(answer: Answer | None) -> date | None:
        """The day from which nothing new of this kind can be ordered; deprecated before that it still can."""
        if answer is None or not answer.has("deprecation"):
            return None
        return answer.get("deprecation").get("unavailable_after").day()

    def _ipv4(self) -> dict[str, Rent]:
        """IPv6 is free, and so not read at all."""
        rents = self._by_location(self._pricing.get("primary_ips"), "type", wanted=lambda kind: kind == "ipv4")
        if not rents:
            raise self._pricing.get("primary_ips").fail("has no price of an IPv4 address")
        return {location: rent for (_, location), rent in rents.items()}

    def _floating_ips(self) -> dict[tuple[str, str], Price]:
        return {
            (answer.get("type").text(), price.get("location").text()): self._price(price.get("price_monthly"))
            for answer in self._pricing.get("floating_ips").items()
            for price in answer.get("prices").items()
        }

    def _load_balancers(self) -> dict[tuple[str, str], Rent]:
        return self._by_location(self._pricing.get("load_balancer_types"), "name")


def _dearer(one: Price, other: Price) -> Price:
    return Price(net=max(one.net, other.net), gross=max(one.gross, other.gross))


def unknown_price(what: str, prices: PriceList) -> UnknownError:
    """The list does not price `what`."""
    return UnknownError(f"there is no price for {what}", where=prices.source, next_command="fds cost --explain")
