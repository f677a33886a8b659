"""Test how price lists are read: an invalid list is an error, and the higher of two different prices counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from infra.cost import gate
from infra.cost.planning import prices as price_lists
from stack_runtime.errors import UnknownError
from tests.unit.cost import kit

Break = Callable[[dict[str, Any], list[dict[str, Any]]], None]


def _server(types: list[dict[str, Any]], name: str = "cpx22") -> dict[str, Any]:
    return next(kind for kind in types if kind["name"] == name)


def _set(path: str, value: Any) -> Break:
    """Return a function that sets a field of the prices (path `p.…`) or of the server type cpx22 (path `t.…`).

    The value `...` deletes the field.
    """

    def change(pricing: dict[str, Any], types: list[dict[str, Any]]) -> None:
        root, *parts = path.split(".")
        holder: Any = pricing["pricing"] if root == "p" else _server(types)
        for part in parts[:-1]:
            holder = holder[int(part) if part.isdigit() else part]
        last: Any = int(parts[-1]) if parts[-1].isdigit() else parts[-1]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value

    return change


PLACES = (
    "t.prices.0.price_monthly.net",
    "t.prices.0.price_monthly.gross",
    "t.prices.0.price_hourly.gross",
    "t.prices.0.price_per_tb_traffic.net",
    "p.volume.price_per_gb_month.net",
    "p.volume.price_per_gb_month.gross",
    "p.image.price_per_gb_month.gross",
    "p.server_backup.percentage",
    "p.primary_ips.0.prices.0.price_monthly.gross",
    "p.server_types.0.prices.0.price_monthly.gross",
    "p.load_balancer_types.0.prices.0.price_monthly.gross",
    "p.vat_rate",
)
FIGURES = (
    ..., None, "", "-1.00", "-0", "NaN", "nan", "Infinity", "-inf", "1e3", "1_0", " 1.00", "1,00", "0x10", "٣",
    "1.0.0", ".", "free", "9" * 50, "99999999", 1, 1.5, 0, float("nan"), float("inf"), True, False, [], {}, ["1.00"],
)  # fmt: skip


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("figure", FIGURES, ids=repr)
def test_invalid_price_is_an_error_that_names_the_field(path: str, figure: Any) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(path, figure)(pricing, types)
    with pytest.raises(UnknownError) as caught:
        kit.price_list(pricing, types)
    assert caught.value.exit_code == 4
    assert path.rpartition(".")[2] in str(caught.value)


@pytest.mark.parametrize("figure", ["24.0000000000000000000000000001", "123456.12345678901234567890123"])
@pytest.mark.parametrize("path", PLACES)
def test_price_with_more_than_28_significant_digits_is_an_error(path: str, figure: str) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(path, figure)(pricing, types)
    with pytest.raises(UnknownError, match=r"has more than 28 digits"):
        kit.price_list(pricing, types)


def test_zeros_at_both_ends_of_a_price_are_no_significant_digits() -> None:
    pricing = kit.pricing()
    price = {"net": "0.0572" + "0" * 24, "gross": "0.068068" + "0" * 24}
    pricing["pricing"]["volume"]["price_per_gb_month"] = price
    assert kit.price_list(pricing).volume_gb == kit.SHIPPED_PRICES.volume_gb


@pytest.mark.parametrize("path", [place for place in PLACES if place != "p.vat_rate"])
@pytest.mark.parametrize("zero", ["0", "0.00", "0.0000000000"])
def test_price_of_zero_is_an_error(path: str, zero: str) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(path, zero)(pricing, types)
    with pytest.raises(UnknownError, match=r"zero|below the net"):
        kit.price_list(pricing, types)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("p.currency", ...), ("p.currency", "CHF"), ("p.currency", None), ("p.vat_rate", "250.00"),
        ("p.server_backup.percentage", "101"), ("p.volume", ...), ("p.volume", "free"), ("p.primary_ips", []),
        ("p.primary_ips", {}), ("p.server_types", ...), ("p.floating_ips", ...), ("t.name", ...), ("t.name", ""),
        ("t.name", "a\x1b[2J"), ("t.cores", 0), ("t.cores", "2"), ("t.cores", True), ("t.cores", 2.0), ("t.memory", 0),
        ("t.memory", "4"), ("t.memory", float("nan")), ("t.memory", float("inf")), ("t.memory", -4), ("t.memory", True),
        ("t.disk", 0), ("t.disk", None), ("t.architecture", ...), ("t.prices", ...), ("t.locations", ...),
        ("t.prices.0.location", ...), ("t.prices.0.included_traffic", -1), ("t.prices.0.included_traffic", "1"),
        ("t.locations.0.available", ...), ("t.locations.0.available", "false"), ("t.locations.0.available", 1),
        ("t.deprecation", {}), ("t.deprecation", {"unavailable_after": "soon"}), ("t.deprecation", "soon"),
        ("t.deprecated", "yes"),
        ("t.deprecation", {"announced": "once", "unavailable_after": "2026-10-09"}), ("t.prices", []),
        ("t.cores", 10**9),
        ("t.deprecation", {"announced": "2026-10-10", "unavailable_after": "2026-10-09"}), ("t.disk", 10**9),
        ("t.locations.0.deprecation", {"unavailable_after": "2026-13-01"}), ("p.server_backup.percentage", "20 %"),
        ("p.server_types.0.prices.0.included_traffic", -1), ("p.load_balancer_types.0.prices.0.location", ...),
        ("t.prices.0.price_monthly", {"net": "0.01", "gross": "0.0119"}),
    ],
)  # fmt: skip
def test_missing_or_invalid_field_of_a_price_list_is_an_error(path: str, value: Any) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(path, value)(pricing, types)
    with pytest.raises(UnknownError):
        kit.price_list(pricing, types)


@pytest.mark.parametrize("answer", [None, [], "x", 1, {}, {"pricing": None}, {"pricing": []}])
def test_pricing_response_of_an_unexpected_shape_is_an_error(answer: Any) -> None:
    with pytest.raises(UnknownError):
        price_lists.read(answer, kit.SERVER_TYPES, day=kit.TODAY, source="test")


@pytest.mark.parametrize("entries", [[], [None], [1], [[]], ["cpx22"]])
def test_empty_or_invalid_list_of_server_types_is_an_error(entries: list[Any]) -> None:
    with pytest.raises(UnknownError):
        price_lists.read(kit.PRICING, entries, day=kit.TODAY, source="test")


Listed = list[dict[str, Any]]
LISTS: dict[str, Callable[[dict[str, Any], Listed], Listed]] = {
    "types": lambda pricing, types: types,
    "places of a type": lambda pricing, types: types[0]["prices"],
    "locations of a type": lambda pricing, types: types[0]["locations"],
    "types of /pricing": lambda pricing, types: pricing["pricing"]["server_types"],
    "places of /pricing": lambda pricing, types: pricing["pricing"]["server_types"][0]["prices"],
    "kinds of addresses": lambda pricing, types: pricing["pricing"]["primary_ips"],
    "places of addresses": lambda pricing, types: pricing["pricing"]["primary_ips"][0]["prices"],
    "places of free addresses": lambda pricing, types: pricing["pricing"]["primary_ips"][1]["prices"],
    "kinds of floating addresses": lambda pricing, types: pricing["pricing"]["floating_ips"],
    "places of floating addresses": lambda pricing, types: pricing["pricing"]["floating_ips"][0]["prices"],
    "load balancers": lambda pricing, types: pricing["pricing"]["load_balancer_types"],
    "places of load balancers": lambda pricing, types: pricing["pricing"]["load_balancer_types"][0]["prices"],
}


def _dearer(entry: Any) -> None:
    """Raise every monthly price of `entry` and invert its availability, if `entry` has these fields."""
    for price in [entry, *entry.get("prices", ())]:
        if "price_monthly" in price:
            price["price_monthly"] = {"net": "100.00", "gross": "119.00"}
    if "available" in entry:
        entry["available"] = not entry["available"]


@pytest.mark.parametrize("change", [lambda entry: None, _dearer], ids=["equal", "different"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("where", LISTS)
def test_prices_are_unknown_if_a_list_has_two_entries_for_the_same_name(
    where: str, first: bool, change: Callable[[Any], None]
) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    monthly = {"net": "3.0000", "gross": "3.5700"}
    places = [{"location": place, "price_monthly": dict(monthly)} for place in ("fsn1", "nbg1")]
    pricing["pricing"]["floating_ips"] = [{"type": "ipv4", "prices": places}]
    assert kit.price_list(pricing, types).floating_ips["ipv4", "nbg1"].gross == Decimal("3.57")
    entries = LISTS[where](pricing, types)
    again = copy.deepcopy(entries[0])
    change(again)
    entries.insert(0 if first else len(entries), again)
    with pytest.raises(UnknownError, match="twice in one list") as caught:
        kit.price_list(pricing, types)
    assert caught.value.exit_code == 4


def test_higher_monthly_price_counts_if_two_api_responses_differ() -> None:
    types = kit.server_types()
    price = _server(types)["prices"][0]["price_monthly"]
    price |= {"net": "1.00", "gross": "1.19"}
    found = kit.price_list(types=types)
    assert found.server_types["cpx22"].offers["fsn1"].rent.monthly.gross == Decimal("23.1931")
    assert any("differ for" in warning for warning in found.warnings)


def test_dearer_hourly_price_or_traffic_terms_count_if_two_api_responses_differ() -> None:
    shipped = kit.SHIPPED_PRICES.server_types["cpx22"].offers["fsn1"]
    cheaper: dict[str, Any] = {
        "price_hourly": {"net": "0.01", "gross": "0.0119"}, "included_traffic": 2**50,
        "price_per_tb_traffic": {"net": "0.10", "gross": "0.119"},
    }  # fmt: skip
    for key, value in cheaper.items():
        types = kit.server_types()
        _server(types)["prices"][0][key] = value
        found = kit.price_list(types=types)
        assert found.server_types["cpx22"].offers["fsn1"] == shipped
        assert any("differ for cpx22 in fsn1" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("net", "gross", "counts"),
    [
        ("0.0088000000", "0.0104720000000000", "0.010472"),  # padded: net price with four places, exact gross price
        ("0.0088", "0.0105", "0.0105"),  # net and gross price rounded to four places
        ("0.0008", "0.0010", "0.0010"),
        ("0.0136", "0.0161", "0.016184"),  # gross price rounded down, so net price plus VAT is higher and counts
        ("5.49", "6.53", "6.5331"),  # gross price rounded to the cent
        ("5.4900000000", "6.5331000000", "6.5331"),
        (
            "19.4900000000",
            "23.1930999999",
            "23.1930999999",
        ),  # lower than net price plus VAT by less than a ten-thousandth
        ("19.4900000000", "23.1950000000", "23.1950"),  # higher than net price plus VAT by less than a ten-thousandth
    ],
)
def test_rounded_gross_price_is_accepted_but_net_plus_vat_counts_if_it_is_higher(
    net: str, gross: str, counts: str
) -> None:
    pricing = kit.pricing()
    pricing["pricing"]["volume"]["price_per_gb_month"] = {"net": net, "gross": gross}
    found = kit.price_list(pricing)
    assert (found.volume_gb.gross, found.warnings) == (Decimal(counts), ())


@pytest.mark.parametrize(
    ("net", "gross"),
    [
        ("0.10", "0.10"), ("5.49", "6.54"), ("5.49", "6.52"), ("5.4900", "6.5300"), ("5.49", "7"), ("5.49", "65.331"),
        ("0.0572", "0.0572"), ("0.0572", "0.0690"), ("1000000", "1000000.00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [place.rpartition(".")[0] for place in PLACES if place.endswith("gross")])
def test_prices_are_unknown_if_a_gross_price_is_not_net_plus_vat(path: str, net: str, gross: str) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(path, {"net": net, "gross": gross})(pricing, types)
    with pytest.raises(UnknownError, match=r"VAT|below the net") as caught:
        kit.price_list(pricing, types)
    assert path.rpartition(".")[2] in str(caught.value)


@pytest.mark.parametrize("vat", ["0.00", "18.00", "20.00", "1.9", "100"])
def test_prices_are_unknown_if_the_vat_rate_contradicts_net_and_gross_prices(vat: str) -> None:
    pricing = kit.pricing()
    pricing["pricing"]["vat_rate"] = vat
    with pytest.raises(UnknownError, match="VAT"):
        kit.price_list(pricing)


@pytest.mark.parametrize(
    "holder",
    [
        "t", "t.prices.0", "t.prices.0.price_monthly", "t.prices.0.price_per_tb_traffic", "p.volume.price_per_gb_month",
        "p.primary_ips.0", "p.primary_ips.0.prices.0", "p.server_types.0.prices.0.price_hourly",
    ],
)  # fmt: skip
def test_prices_are_unknown_if_one_price_is_in_another_currency(holder: str) -> None:
    pricing, types = kit.pricing(), kit.server_types()
    _set(f"{holder}.currency", "EUR")(pricing, types)
    assert kit.price_list(pricing, types) == kit.SHIPPED_PRICES
    _set(f"{holder}.currency", "USD")(pricing, types)
    with pytest.raises(UnknownError, match="currency is not EUR"):
        kit.price_list(pricing, types)


def test_prices_are_unknown_if_a_list_has_more_than_1000_entries() -> None:
    types = [{**kit.SERVER_TYPES[0], "name": f"cx{index}"} for index in range(2_000)]
    with pytest.raises(UnknownError, match="more than 1,000 entries"):
        kit.price_list(types=types)


@pytest.mark.parametrize(
    "settings",
    [{"location": "mars1"}, {"serverType": "cpx999"}, {"serverType": "cpx22", "location": "ash"}, {"offsiteGb": 5}],
)
def test_cost_is_unknown_if_a_planned_resource_has_no_price(settings: dict[str, Any]) -> None:
    plan = kit.planned(kit.settings(**settings))
    assert (plan.verdict, plan.total_usd) == ("unknown", None)
    with pytest.raises(UnknownError):
        gate(plan)


def test_cost_is_unknown_at_a_location_without_a_price_for_ip_addresses() -> None:
    pricing = kit.pricing()
    addresses = pricing["pricing"]["primary_ips"][0]["prices"]
    pricing["pricing"]["primary_ips"][0]["prices"] = [price for price in addresses if price["location"] != "fsn1"]
    assert kit.planned(prices=kit.price_list(pricing)).verdict == "unknown"
    elsewhere = kit.planned(kit.settings(location="auto"), prices=kit.price_list(pricing))
    assert elsewhere.server is not None and elsewhere.server.location != "fsn1"
