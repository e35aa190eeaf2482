"""AWS's list prices, with the source and date of each: the data is `prices.json`, read when somebody asks.

Public on-demand prices in USD before tax and credits, for six regions and the items that the AWS targets use.
"""

from __future__ import annotations

from functools import cache

from autostack.core.hookspecs import hookimpl
from autostack.core.model import Allowance, Price


@hookimpl
def register_prices() -> list[Price]:
    """All prices of `prices.json`."""
    return list(_read())


@cache
def _read() -> tuple[Price, ...]:
    """All prices of the file; those that an allowance lowers carry it.

    `second_source`, where there is one, is an independent source that gives the same number.
    """
    import json
    from importlib.resources import files

    data = json.loads(files("autostack.plugins.aws").joinpath("prices.json").read_text(encoding="utf-8"))
    allowances = {
        (entry["service"], item): Allowance(
            name=entry["name"],
            amount=entry["amount"],
            source=entry["source"],
            source_date=entry["source_date"],
            confidence=entry["confidence"],
        )
        for entry in data["allowances"]
        for item in entry["items"]
    }
    return tuple(
        Price(
            service=entry["service"],
            item=entry["item"],
            unit=entry["unit"],
            region=entry["region"],
            price=float(entry["price"]),
            source=entry["source"],
            source_date=entry["source_date"],
            confidence=entry["confidence"],
            note=entry.get("note"),
            allowance=allowances.get((entry["service"], entry["item"])),
        )
        for entry in data["prices"]
    )
