"""The machine that fits, and the quantities of a month."""

from __future__ import annotations

import pytest

from autostack.core.cost import PriceTable
from autostack.core.model import Cpu
from autostack.plugins.aws import sizes
from autostack.plugins.aws.prices import register_prices


@pytest.mark.parametrize(
    ("cpu", "mib", "name"),
    [
        ("arm64", 0, "t4g.small"), ("arm64", 2048, "t4g.small"), ("arm64", 2049, "t4g.medium"),
        ("x86_64", 5000, "t3.large"), ("x86_64", 16_384, "t3.xlarge"), ("arm64", 16_385, None),
    ],
)  # fmt: skip
def test_the_smallest_machine_with_enough_memory_is_taken(cpu: Cpu, mib: int, name: str | None) -> None:
    found = sizes.smallest_instance(cpu, mib)
    assert (found.name if found else None) == name


def test_memory_has_headroom_for_system_databases_and_caches() -> None:
    assert sizes.memory_needed(0) == 390
    assert sizes.memory_needed(512, sql=2, caches=1) == int(1.3 * (512 + 300 + 512 + 64))


def test_every_machine_and_quantity_has_a_price_in_every_region_of_the_table() -> None:
    table = PriceTable(register_prices())
    quantities = [value for value in vars(sizes).values() if isinstance(value, sizes.Quantity)]
    assert len(quantities) >= 8
    items = {(q.service, q.item) for q in [*quantities, *sizes.BUILDS.values()]}
    items |= {("ec2", machine.name) for machines in sizes.INSTANCE_TYPES.values() for machine in machines}
    for service, item in sorted(items):
        assert table.lookup(service, item, "ap-southeast-1") is not None, (service, item)


def test_use_never_falls_from_low_to_high() -> None:
    for quantity in [value for value in vars(sizes).values() if isinstance(value, sizes.Quantity)]:
        assert quantity.low <= quantity.medium <= quantity.high, quantity
