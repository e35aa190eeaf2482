"""Turns what an architecture uses into money. Plugins name quantities and prices; only this file multiplies and adds.

Amounts stay unrounded until they are shown: a total is the sum of the unrounded lines, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar

from autostack.core.errors import InputRefused
from autostack.core.model import Amount, Architecture, Component, CostEstimate, CostLine, Price, Usage

FALLBACK_REGION = "us-east-1"
EVERYWHERE = "global"
NOT_IN_TABLE = "price: not in the table"

Key = tuple[str, str, str]


class DuplicatePrice(InputRefused):
    """The same item has two prices in the same region."""

    code: ClassVar[str] = "duplicate-price"


class PriceTable:
    """All prices, by service, item and region.

    prices  from one or several plugins; (service, item, region) must be unique

    `as_of` is the newest of the prices' source dates.

    Raises DuplicatePrice.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices: dict[Key, Price] = {}
        for price in prices:
            key = (price.service, price.item, price.region)
            if key in self._prices:
                raise DuplicatePrice(f"Two prices for {' '.join(key[:2])} in {price.region}: remove one of them.")
            self._prices[key] = price
        # some sources are undated and say so in words: they can't make the table newer
        dates = (price.source_date for price in self._prices.values() if price.source_date[:1].isdigit())
        self.as_of: str | None = max(dates, default=None)

    def __len__(self) -> int:
        return len(self._prices)

    def lookup(self, service: str, item: str, region: str) -> Price | None:
        """The region's price, else the one that holds everywhere, else us-east-1's (its `note` says so); or None."""
        exact = self._prices.get((service, item, region)) or self._prices.get((service, item, EVERYWHERE))
        if exact is not None:
            return exact
        fallback = self._prices.get((service, item, FALLBACK_REGION))
        if fallback is None:
            return None
        marked = f"price of {FALLBACK_REGION}: the table has none for {region}"
        return replace(fallback, note="; ".join(note for note in (marked, fallback.note) if note))


def estimate(architecture: Architecture, table: PriceTable) -> CostEstimate:
    """What a month of the architecture costs, a line for each item that each component uses.

    An always-free allowance is a line of its own, with a minus sign, under the line that it lowers; it is given once
    per account, so components share it in their order. What the table lacks is a line without price, and is named in
    `missing`. Targets without usages (`local`, `compose`, `kubernetes`) cost nothing.
    """
    lines: list[CostLine] = []
    missing: list[str] = []
    left: dict[tuple[str, str], Amount] = {}
    for component in architecture.components:
        for usage in component.usage:
            price = table.lookup(usage.service, usage.item, usage.region)
            if price is None:
                missing.append(f"{component.id}: {usage.service} {usage.item} in {usage.region}: {NOT_IN_TABLE}")
                lines.append(_unpriced(component, usage))
                continue
            lines.append(_priced(component, usage, price))
            free = _allowed(component, usage, price, left)
            if free is not None:
                lines.append(free)
    return CostEstimate(
        target=architecture.target,
        region=architecture.region,
        lines=lines,
        total=_sum(line.cost for line in lines if line.cost is not None),
        missing=missing,
        prices_as_of=table.as_of if lines else None,
        assumptions=list(architecture.assumptions),
    )


def rounded(amount: float) -> Decimal:
    """USD to the cent, half to even, for display only. Never add rounded amounts."""
    # repr gives the shortest decimal that is the float, so 0.125 and 2.675 are halves as a reader sees them
    cents = Decimal(repr(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    return cents if cents else abs(cents)  # no "-0.00"


def by_component(cost: CostEstimate) -> dict[str, Amount]:
    """The unrounded sum of each component's priced lines, in the estimate's order."""
    sums: dict[str, Amount] = {}
    for line in cost.lines:
        if line.cost is not None:
            sums[line.component] = _plus(sums.get(line.component, Amount(0, 0, 0)), line.cost)
    return sums


def _priced(component: Component, usage: Usage, price: Price) -> CostLine:
    quantity = Amount(usage.low, usage.medium, usage.high)
    return CostLine(
        component=component.id,
        service=usage.service,
        item=usage.item,
        unit=usage.unit,
        quantity=quantity,
        unit_price=price.price,
        cost=_times(quantity, price.price),
        region=price.region,
        source=price.source,
        source_date=price.source_date,
        confidence=price.confidence,
        note=price.note,
    )


def _unpriced(component: Component, usage: Usage) -> CostLine:
    return CostLine(
        component=component.id,
        service=usage.service,
        item=usage.item,
        unit=usage.unit,
        quantity=Amount(usage.low, usage.medium, usage.high),
        unit_price=None,
        cost=None,
        region=usage.region,
        source="",
        source_date="",
        confidence="none",
        note=NOT_IN_TABLE,
    )


def _allowed(component: Component, usage: Usage, price: Price, left: dict[tuple[str, str], Amount]) -> CostLine | None:
    """The line that takes off what is free of this usage, and notes in `left` what remains of the allowance."""
    allowance = price.allowance
    if allowance is None:
        return None
    key = (usage.service, allowance.name)
    remaining = left.get(key, Amount(allowance.amount, allowance.amount, allowance.amount))
    used = Amount(min(usage.low, remaining.low), min(usage.medium, remaining.medium), min(usage.high, remaining.high))
    left[key] = _minus(remaining, used)
    if used == Amount(0, 0, 0):
        return None
    quantity = _times(used, -1)
    return CostLine(
        component=component.id,
        service=usage.service,
        item=allowance.name,
        unit=usage.unit,
        quantity=quantity,
        unit_price=price.price,
        cost=_times(quantity, price.price),
        region=price.region,
        source=allowance.source,
        source_date=allowance.source_date,
        confidence=allowance.confidence,
        note=f"always free: {allowance.amount:g} {usage.unit} a month for each account",
    )


def _times(amount: Amount, factor: float) -> Amount:
    return Amount(amount.low * factor, amount.medium * factor, amount.high * factor)


def _plus(one: Amount, other: Amount) -> Amount:
    return Amount(one.low + other.low, one.medium + other.medium, one.high + other.high)


def _minus(one: Amount, other: Amount) -> Amount:
    return Amount(one.low - other.low, one.medium - other.medium, one.high - other.high)


def _sum(amounts: Iterable[Amount]) -> Amount:
    total = Amount(0, 0, 0)
    for amount in amounts:
        total = _plus(total, amount)
    return total
