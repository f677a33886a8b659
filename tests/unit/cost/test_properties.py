"""Test properties of the planner with generated settings, services and prices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from infra.cost.planning.choice import Deployed
from infra.cost.planning.inputs import RentalInputs
from infra.cost.planning.lines import Amount, CurrencyConverter
from infra.cost.planning.model import Currency
from infra.cost.planning.planner import rank_servers
from infra.services import Service
from infra.settings import Settings
from tests.unit.cost import kit

TYPES = tuple(kind["name"] for kind in kit.SERVER_TYPES)

values = st.fixed_dictionaries(
    {
        "budgetUsd": st.integers(0, 120),
        "serverType": st.sampled_from(("auto", *TYPES)),
        "location": st.sampled_from(("auto", "fsn1", "nbg1", "hel1")),
        "backups": st.booleans(),
        "volumeGb": st.integers(10, 500),
        "snapshotGb": st.integers(0, 500),
        "trafficTb": st.integers(0, 40),
        "workers": st.integers(1, 6),
        "tax": st.sampled_from(("gross", "net")),
    }
)
stacks = st.lists(
    st.builds(
        kit.service,
        st.sampled_from("abcdef"),
        st.integers(16, 4000),
        workers=st.booleans(),
        cpu=st.sampled_from((0.1, 0.5, 1.0)),
        disk_gb=st.integers(0, 40),
        data=st.booleans(),
        architectures=st.sampled_from((("x86",), ("x86", "arm"))),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda service: service.name,
).map(tuple)
prices = st.lists(st.sampled_from(TYPES), min_size=1, unique=True).map(
    lambda names: kit.price_list(types=kit.orderable(*names))
)


@given(values, stacks, prices)
@effort(max_examples=80, deadline=None)
def test_plan_with_the_verdict_within_never_costs_more_than_the_budget(
    given_values: dict[str, Any], stack: tuple[Service, ...], sold: Any
) -> None:
    own = kit.settings(**given_values)
    plan = kit.planned(own, stack, sold)
    if plan.verdict == "within":
        assert plan.total_usd is not None and plan.total_usd <= own.budget_usd
        assert plan.server is not None and plan.server.orderable
        assert not plan.capacity.problems
    assert plan.total_usd is None or plan.total_usd == sum(line.monthly_usd or 0 for line in plan.lines)
    for other in plan.alternatives:
        assert other.verdict == "within" and other.total_usd <= own.budget_usd


@given(values, stacks, prices)
@effort(max_examples=60, deadline=None)
def test_every_alternative_is_within_the_budget_when_planned_again(
    given_values: dict[str, Any], stack: tuple[Service, ...], sold: Any
) -> None:
    from infra.cost.planning.scaling import changed, parse

    own = kit.settings(**given_values)
    for other in kit.planned(own, stack, sold, deployed=Deployed()).alternatives:
        wanted = changed(own, parse(other.pairs, own))
        again = kit.planned(wanted, tuple(s for s in stack if s.profile in wanted.profiles), sold)
        assert (again.verdict, again.total_usd) == ("within", other.total_usd)


@given(values, stacks, st.sampled_from(("volumeGb", "snapshotGb", "trafficTb", "workers")), st.integers(1, 20))
@effort(max_examples=80, deadline=None)
def test_raising_a_quantity_in_the_settings_never_lowers_the_total(
    given_values: dict[str, Any], stack: tuple[Service, ...], key: str, more: int
) -> None:
    less = kit.planned(kit.settings(**given_values), stack)
    most = kit.planned(kit.settings(**{**given_values, key: given_values[key] + more}), stack)
    assert less.total_usd is not None and most.total_usd is not None
    if less.verdict in ("within", "over") and most.verdict in ("within", "over"):
        assert most.total_usd >= less.total_usd


@given(values, stacks)
@effort(max_examples=80, deadline=None)
def test_backups_and_vat_together_never_lower_the_total(
    given_values: dict[str, Any], stack: tuple[Service, ...]
) -> None:
    plain = kit.planned(kit.settings(**{**given_values, "backups": False, "tax": "net"}), stack).total_usd
    dearer = kit.planned(kit.settings(**{**given_values, "backups": True, "tax": "gross"}), stack).total_usd
    assert plain is not None and dearer is not None and dearer >= plain


@given(values, stacks, prices)
@effort(max_examples=40, deadline=None)
def test_server_type_auto_chooses_the_cheapest_orderable_type_that_fits(
    given_values: dict[str, Any], stack: tuple[Service, ...], sold: Any
) -> None:
    own = kit.settings(**{**given_values, "serverType": "auto"})
    plan = kit.planned(own, stack, sold)
    if plan.verdict in ("within", "over"):
        for kind in TYPES:
            other = kit.planned(own.model_copy(update={"server_type": kind}), stack, sold)
            if other.verdict in ("within", "over"):
                assert other.total_usd is not None and plan.total_usd is not None
                assert plan.total_usd <= other.total_usd


@given(values, stacks, st.integers(0, 99))
@effort(max_examples=40, deadline=None)
def test_order_of_settings_services_and_types_does_not_change_verdict_server_and_cost(
    given_values: dict[str, Any], stack: tuple[Service, ...], seed: int
) -> None:
    pairs, services, types = list(given_values.items()), list(stack), kit.server_types()
    chance = Random(seed)
    for items in (pairs, services, types):
        chance.shuffle(items)
    one = kit.planned(kit.settings(**given_values), stack)
    other = kit.planned(kit.settings(**dict(pairs)), tuple(services), kit.price_list(types=types))
    assert one.model_dump(exclude={"capacity", "warnings"}) == other.model_dump(exclude={"capacity", "warnings"})


@given(stacks, st.integers(1, 2000))
@effort(max_examples=80, deadline=None)
def test_raising_the_memory_of_a_service_never_lowers_the_total(stack: tuple[Service, ...], more: int) -> None:
    first = stack[0]
    own = first.resources
    larger = replace(own, memory_mb=own.memory_mb + more, memory_limit_mb=own.memory_limit_mb + more)
    before = kit.planned(services=stack)
    after = kit.planned(services=(replace(first, resources=larger), *stack[1:]))
    if before.verdict != "does_not_fit" and after.verdict != "does_not_fit":
        assert after.total_usd is not None and before.total_usd is not None
        assert after.total_usd >= before.total_usd
    assert not (before.verdict == "does_not_fit" and after.verdict != "does_not_fit")


@given(st.decimals("0.8", "1.7", places=4))
@effort(max_examples=80, deadline=None)
def test_rounding_never_lowers_a_total_and_adds_less_than_a_cent_a_line(rate: Decimal) -> None:
    plan = kit.planned(rate=kit.RATE.model_copy(update={"rate": rate}))
    exact = sum((line.quantity * line.unit_price * rate for line in plan.lines), Decimal(0))
    assert plan.total_usd is not None
    assert exact <= plan.total_usd < exact + len(plan.lines) * Decimal("0.01")


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "usd"),
    [
        ("1", "24.000000000000000001", "USD", "24.01"),
        ("1.17125860861", "8.537824120556582741", "USD", "10.01"),  # 10 and 10^-29, which has 31 digits
        ("1", "8.537824120556582741", "EUR", "10.01"),
    ],
)
def test_amount_above_a_whole_cent_is_rounded_up_however_small_the_difference_is(
    quantity: str, price: str, currency: Currency, usd: str
) -> None:
    amount = Amount("server", Decimal(quantity), "month", Decimal(price), currency)
    assert CurrencyConverter(Decimal("1.17125860861")).usd(amount) == Decimal(usd)


def test_planned_server_is_first_of_the_ranked_servers() -> None:
    own: Settings = kit.settings()
    inputs = RentalInputs(kit.SHIPPED_PRICES, kit.RATE, kit.TODAY)
    plan = kit.planned(own)
    first = rank_servers(own, (kit.service(),), inputs)[0]
    assert plan.server is not None and plan.server.type == first.kind.name
