"""Money: the worked examples of the price table, allowances, missing prices, rounding and comparison."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from autostack.core.cost import DuplicatePrice, PriceTable, by_component, estimate, rounded
from autostack.core.model import Allowance, Amount, Architecture, Component, Price, Usage


def price(service: str, item: str, amount: float, region: str = "us-east-1", date: str = "2026-05-01") -> Price:
    return Price(service, item, "hour", region, amount, f"price list of {service}", date, "page")


def use(service: str, item: str, low: float, medium: float, high: float, region: str = "us-east-1") -> Usage:
    return Usage(service, item, region, "hour", low, medium, high)


def architecture(*components: Component) -> Architecture:
    return Architecture(target="cloud", region="us-east-1", components=list(components), assumptions=["no domain"])


def test_a_line_is_quantity_times_price_at_low_medium_and_high_use() -> None:
    table = PriceTable([price("db", "hours", 0.25)])
    [line] = estimate(architecture(Component("db", "database", usage=[use("db", "hours", 1, 2, 4)])), table).lines
    assert line.cost == Amount(0.25, 0.5, 1.0)
    assert (line.quantity, line.unit_price, line.source) == (Amount(1, 2, 4), 0.25, "price list of db")


def test_total_is_the_unrounded_sum_rounded_once() -> None:
    table = PriceTable([price("s3", "gb", 0.004)])
    components = [Component(f"bucket-{n}", "bucket", usage=[use("s3", "gb", 1, 1, 1)]) for n in range(3)]
    cost = estimate(architecture(*components), table)
    assert [rounded(line.cost.low) for line in cost.lines if line.cost] == [Decimal("0.00")] * 3
    assert rounded(cost.total.low) == Decimal("0.01")


def test_a_region_without_a_price_gets_that_of_us_east_1_marked_so() -> None:
    table = PriceTable([replace(price("db", "hours", 0.25), note="Single-AZ")])
    found = table.lookup("db", "hours", "eu-west-1")
    assert found is not None
    assert found.region == "us-east-1"
    assert found.note == "price of us-east-1: the table has none for eu-west-1; Single-AZ"


def test_a_price_that_holds_everywhere_comes_before_that_of_us_east_1() -> None:
    table = PriceTable([price("cdn", "gb", 0.1), price("cdn", "gb", 0.085, region="global")])
    found = table.lookup("cdn", "gb", "eu-west-1")
    assert found is not None
    assert (found.price, found.note) == (0.085, None)


def test_an_item_that_the_table_lacks_is_named_and_counts_for_nothing() -> None:
    cost = estimate(
        architecture(Component("db", "database", usage=[use("db", "hours", 1, 1, 1), use("db", "magic", 1, 1, 1)])),
        PriceTable([price("db", "hours", 2)]),
    )
    assert cost.missing == ["db: db magic in us-east-1: price: not in the table"]
    assert (cost.lines[1].unit_price, cost.lines[1].cost) == (None, None)
    assert cost.total == Amount(2, 2, 2)


def test_an_allowance_is_a_line_with_a_minus_sign_and_is_given_once_for_all_components() -> None:
    free = Allowance("free_gb", 100, "a page on the free tier", "2026-09-16", "secondary")
    table = PriceTable([replace(price("egress", "gb", 0.09), allowance=free)])
    cost = estimate(
        architecture(
            Component("web", "task", usage=[use("egress", "gb", 5, 80, 500)]),
            Component("api", "task", usage=[use("egress", "gb", 5, 80, 500)]),
        ),
        table,
    )
    assert [(line.component, line.item, line.quantity) for line in cost.lines] == [
        ("web", "gb", Amount(5, 80, 500)),
        ("web", "free_gb", Amount(-5, -80, -100)),
        ("api", "gb", Amount(5, 80, 500)),
        ("api", "free_gb", Amount(-5, -20, 0)),
    ]
    assert cost.total.low == pytest.approx(0)
    assert cost.total.medium == pytest.approx(60 * 0.09)
    assert cost.total.high == pytest.approx(900 * 0.09)
    assert cost.lines[1].source == "a page on the free tier"


def test_a_target_on_ones_own_machine_costs_nothing() -> None:
    cost = estimate(Architecture(target="local", components=[Component("web", "task")]), PriceTable([]))
    assert (cost.total, cost.lines, cost.missing) == (Amount(0, 0, 0), [], [])


def test_a_table_that_holds_a_price_twice_is_refused() -> None:
    with pytest.raises(DuplicatePrice, match="db hours in us-east-1"):
        PriceTable([price("db", "hours", 1), price("db", "hours", 1)])


def test_the_table_is_as_old_as_its_newest_dated_source() -> None:
    prices = [
        price("a", "x", 1, date="2026-05-01"),
        price("b", "x", 1, date="2026-10"),
        price("c", "x", 1, date="unknown"),
    ]
    assert PriceTable(prices).as_of == "2026-10"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.125, "0.12"), (0.135, "0.14"), (2.675, "2.68"), (7.592, "7.59"), (-0.001, "0.00"), (-0.45, "-0.45"),
        (1e-9, "0.00"), (0.0, "0.00"),
    ],
)  # fmt: skip
def test_display_rounds_half_to_even(amount: float, shown: str) -> None:
    assert str(rounded(amount)) == shown


def test_a_component_costs_the_sum_of_its_lines() -> None:
    table = PriceTable([price("x", "hour", 1), price("y", "hour", 2)])
    both = Component("web", "task", usage=[use("x", "hour", 1, 2, 3), use("y", "hour", 1, 1, 1)])
    cost = estimate(architecture(both, Component("db", "task", usage=[use("x", "hour", 5, 5, 5)])), table)
    assert by_component(cost) == {"web": Amount(3, 4, 5), "db": Amount(5, 5, 5)}
