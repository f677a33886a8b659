"""Turn quantities into lines of a bill. All rounding of money happens here, always up.

    native      = quantity × unit price                      (exact, currency of the unit price)
    monthly_usd = native × rate, up to the next whole cent   (a euro account)
    total       = sum of the rounded lines, so the shown lines add up, and the total is an upper bound

The provider bills servers and addresses by the hour, but never more than a monthly cap. Their prices here are the caps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import NamedTuple

from infra.cost.planning.model import Currency, Line, Tax, exact
from infra.cost.planning.prices import Offer, PriceList, Rent, unknown_price
from infra.settings import Settings
from stack_runtime.errors import UnknownError

CENT = Decimal("0.01")
_UP = Context(prec=100, rounding=ROUND_CEILING)
"""Rounds up, and has enough digits for quantity, price and rate, so that nothing is rounded before the cents."""
SNAPSHOTS, OFFSITE, TRAFFIC = "snapshots", "off-site backup space", "traffic over the included"
"""Names of the bill's lines for quantities that only the settings state, such as the expected traffic. No resource in
the account stands for them, so the sum of a stack's running resources does not contain their cost."""
TB = Decimal(2**40)
"""Bytes of a TB of traffic: the provider states 20 TB as 20 × 2^40 bytes."""


class Amount(NamedTuple):
    """One item of the bill, not rounded."""

    resource: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    currency: Currency
    note: str = ""
    hourly: Decimal | None = None
    """Price per hour for the whole quantity, if the provider states one."""

    @property
    def native(self) -> Decimal:
        """Exact price per month in `currency`."""
        return _UP.multiply(self.quantity, self.unit_price)

    @property
    def remark(self) -> str:
        """The price per hour if the provider states one, else the note.

        It is computed on access, because the planner compares hundreds of amounts and shows few of them.
        """
        return self.note if self.hourly is None else f"{exact(self.hourly)} an hour, capped at the month's price"


@dataclass(frozen=True)
class CurrencyConverter:
    """Converter of amounts into euros and dollars; `rate` is in dollars per euro, None if unknown."""

    rate: Decimal | None

    def eur(self, amount: Amount) -> Decimal | None:
        """Return the amount in euros, rounded up to the cent; None if a rate is needed but unknown."""
        if amount.currency == "EUR":
            return up(amount.native)
        return None if self.rate is None else up(amount.native / self.rate)

    def usd(self, amount: Amount) -> Decimal | None:
        """Return the amount in dollars, rounded up to the cent; None if a rate is needed but unknown."""
        if amount.currency == "USD":
            return up(amount.native)
        return None if self.rate is None else up(_UP.multiply(amount.native, self.rate))

    def total_usd(self, amounts: Iterable[Amount]) -> Decimal | None:
        """Return the sum of the rounded amounts in dollars; None if one amount is unknown."""
        return add(self.usd(amount) for amount in amounts)

    def line(self, amount: Amount) -> Line:
        """Return the amount as a line of the report."""
        return Line(
            resource=amount.resource,
            quantity=amount.quantity,
            unit=amount.unit,
            unit_price=amount.unit_price,
            currency=amount.currency,
            monthly_eur=self.eur(amount),
            monthly_usd=self.usd(amount),
            note=amount.remark,
        )


def up(value: Decimal) -> Decimal:
    """Round up to the next cent; prices are never rounded down."""
    return _UP.quantize(value, CENT)


def add(values: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum; None if one value is unknown."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


class TaxedPrices:
    """The prices of one price list, either all net or all gross."""

    def __init__(self, prices: PriceList, tax: Tax) -> None:
        self.prices = prices
        self.tax = tax

    def server(self, name: str, location: str, *, resource: str = "") -> Amount:
        """Return the price of one server at its monthly cap."""
        rent = self.offer(name, location).rent
        return self._month(resource or f"server {name} in {location}", rent)

    def backups(self, name: str, location: str, *, resource: str = "backups") -> Amount:
        """Return the price of backups: a percentage of the server's price, which excludes the IPv4 address."""
        price = self.offer(name, location).rent.monthly.of(self.tax)
        percent = self.prices.backup_percent
        return self._amount(
            resource, percent, "% of server", price / 100, "seven daily slots, the server's price alone"
        )

    def ipv4(self, location: str, *, resource: str = "") -> Amount:
        """Return the price of one public IPv4 address."""
        rent = self.prices.ipv4.get(location)
        if rent is None:
            raise unknown_price(f"an IPv4 address in {location}", self.prices)
        return self._month(resource or f"IPv4 address in {location}", rent)

    def volume(self, gb: int, *, resource: str = "data volume") -> Amount:
        """Return the price of block storage of `gb` GB."""
        return self._amount(resource, Decimal(gb), "GB", self.prices.volume_gb.of(self.tax), "grows, never shrinks")

    def snapshots(self, gb: Decimal, *, resource: str = SNAPSHOTS) -> Amount:
        """Return the price of snapshots of `gb` GB."""
        return self._amount(resource, gb, "GB", self.prices.snapshot_gb.of(self.tax))

    def floating_ip(self, kind: str, location: str, *, resource: str = "") -> Amount:
        """Return the price of one floating address of `kind` (ipv4, ipv6)."""
        price = self.prices.floating_ips.get((kind, location))
        if price is None:
            raise unknown_price(f"a floating {kind} address in {location}", self.prices)
        return self._amount(resource or f"floating {kind} in {location}", Decimal(1), "month", price.of(self.tax))

    def load_balancer(self, name: str, location: str, *, resource: str = "") -> Amount:
        """Return the price of one load balancer at its monthly cap."""
        rent = self.prices.load_balancers.get((name, location))
        if rent is None:
            raise unknown_price(f"load balancer {name} in {location}", self.prices)
        return self._month(resource or f"load balancer {name} in {location}", rent)

    def traffic(self, offer: Offer, expected_tb: Decimal) -> Amount:
        """Return the price of the outgoing traffic above the included amount; a started TB counts as a whole TB."""
        included = offer.included_traffic / TB
        over = _UP.to_integral_value(expected_tb - included) if expected_tb > included else Decimal(0)
        note = f"{expected_tb:f} TB expected, {included:.4g} TB included"
        return self._amount(TRAFFIC, over, "TB", offer.per_tb.of(self.tax), note)

    def offsite(self, settings: Settings) -> Amount:
        """Return the price of off-site backup space, at the price in the settings (net euros per GB)."""
        return offsite(settings, self.prices.vat_percent)

    def offer(self, name: str, location: str) -> Offer:
        """Return the offer of a server type at a location, even if the type cannot be ordered there now."""
        kind = self.prices.server_types.get(name)
        offer = kind.offers.get(location) if kind else None
        if offer is None:
            raise unknown_price(f"server type {name} in {location}", self.prices)
        return offer

    def _month(self, resource: str, rent: Rent) -> Amount:
        hourly, price = rent.hourly.of(self.tax), rent.monthly.of(self.tax)
        return Amount(resource, Decimal(1), "month", price, self.prices.currency, hourly=hourly)

    def _amount(self, resource: str, quantity: Decimal, unit: str, price: Decimal, note: str = "") -> Amount:
        return Amount(resource, quantity, unit, price, self.prices.currency, note)


def offsite(settings: Settings, vat_percent: Decimal | None) -> Amount:
    """Return the price of off-site backup space, at the price in the settings (net euros per GB).

    Raises:
        UnknownError: the price is not set, or the plan uses gross prices and the VAT (in percent) is unknown.
    """
    net = settings.offsite_eur_per_gb
    where = f"Pulumi.{settings.stack}.yaml"
    if not net:
        raise UnknownError(
            f"{settings.offsite_gb} GB of off-site space have no price",
            where=where,
            next_command=f"set offsiteEurPerGb in {where} to the net price of a GB a month",
        )
    if settings.tax == "net":
        price = net
    elif vat_percent is not None:
        price = net * (100 + vat_percent) / 100
    else:
        raise UnknownError(
            "the VAT on off-site space is unknown",
            where=where,
            next_command=f"set tax to net in {where}, and plan without VAT",
        )
    return Amount(OFFSITE, Decimal(settings.offsite_gb), "GB", price, "EUR", "price from settings")


def stack_amounts(settings: Settings, tariff: TaxedPrices, name: str, location: str) -> Sequence[Amount]:
    """Return all items that a stack pays for on a server of type `name` at `location`."""
    amounts = [tariff.server(name, location), tariff.ipv4(location)]
    if settings.backups:
        amounts.append(tariff.backups(name, location))
    amounts.append(tariff.volume(settings.volume_gb))
    if settings.snapshot_gb:
        amounts.append(tariff.snapshots(Decimal(settings.snapshot_gb)))
    if settings.offsite_gb:
        amounts.append(tariff.offsite(settings))
    amounts.append(tariff.traffic(tariff.offer(name, location), settings.traffic_tb))
    return amounts
