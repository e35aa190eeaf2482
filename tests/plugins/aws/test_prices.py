"""The price data: complete in its facts, and right in the examples that were worked out by hand."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from autostack.core.cost import PriceTable, estimate, rounded
from autostack.core.model import Architecture, Component, Usage
from autostack.plugins.aws.prices import register_prices

HOURS = 730


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return PriceTable(register_prices())


def cost_of(table: PriceTable, region: str, *uses: tuple[str, str, float]) -> str:
    usage = [Usage(service, item, region, "", amount, amount, amount) for service, item, amount in uses]
    cost = estimate(Architecture("aws", region=region, components=[Component("all", "task", usage=usage)]), table)
    assert cost.missing == []
    return str(rounded(cost.total.medium))


@pytest.mark.parametrize(
    ("region", "usd"),
    [
        ("us-east-1", "11.88"), ("us-east-2", "11.88"), ("us-west-2", "11.88"), ("eu-west-1", "12.68"),
        ("eu-central-1", "13.17"), ("ap-southeast-1", "14.05"),
    ],
)  # fmt: skip
def test_one_t3_micro_with_disk_and_address(table: PriceTable, region: str, usd: str) -> None:
    machine = (
        ("ec2", "t3.micro", HOURS),
        ("ebs", "gp3_storage", 8),
        ("vpc", "public_ipv4", HOURS),
        ("data_transfer", "out_first_10tb", 100),
    )
    assert cost_of(table, region, *machine) == usd


def containers(
    *, cpu: str = "x86", cache: str = "valkey", database: str = "single-az"
) -> tuple[tuple[str, str, float], ...]:
    return (
        ("fargate", f"{cpu}_vcpu", 0.5 * HOURS),
        ("fargate", f"{cpu}_memory", 1 * HOURS),
        ("elb", "alb", HOURS),
        ("elb", "alb_lcu", 0.1 * HOURS),
        ("vpc", "public_ipv4", 3 * HOURS),
        ("rds", f"postgresql db.t4g.micro {database}", HOURS),
        ("rds", f"gp3_storage {database}", 20),
        ("elasticache", f"{cache} cache.t4g.micro", HOURS),
        ("cloudwatch", "logs_ingest_standard", 2),
        ("cloudwatch", "logs_storage", 1),
        ("ecr", "private_storage", 1),
        ("secretsmanager", "secret", 2),
    )


@pytest.mark.parametrize(
    ("region", "usd"),
    [("us-east-1", "71.23"), ("eu-west-1", "74.90"), ("eu-central-1", "81.28"), ("ap-southeast-1", "89.78")],
)
def test_containers_with_database_and_cache(table: PriceTable, region: str, usd: str) -> None:
    assert cost_of(table, region, *containers()) == usd


def test_containers_with_database_and_cache_in_their_variants(table: PriceTable) -> None:
    assert cost_of(table, "us-east-1", *containers(cpu="arm")) == "67.63"
    assert cost_of(table, "us-east-1", *containers(cache="redis")) == "73.57"
    assert cost_of(table, "us-east-1", *containers(database="multi-az")) == "85.21"
    # behind a NAT gateway the task has no address, the gateway has one
    gateway = (("nat", "gateway", HOURS), ("nat", "data_processed", 10))
    assert cost_of(table, "us-east-1", *containers(), *gateway) == "104.53"


def test_every_price_names_source_date_and_confidence() -> None:
    for price in register_prices():
        assert price.source, price
        assert price.source_date, price
        assert price.unit, price
        assert price.price >= 0, price
        assert price.confidence in ("page", "repo-data", "secondary", "memory"), price


def test_a_hundred_gb_out_are_free_in_every_region(table: PriceTable) -> None:
    for region in ("us-east-1", "eu-central-1", "ap-southeast-1"):
        assert cost_of(table, region, ("data_transfer", "out_first_10tb", 100)) == "0.00"
        assert cost_of(table, region, ("data_transfer", "out_first_10tb", 101)) != "0.00"


def test_the_data_is_read_only_when_asked_for() -> None:
    code = "import sys; import autostack.plugins.aws.prices; print('json' in sys.modules, 'msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"False False\n", done.stdout)
