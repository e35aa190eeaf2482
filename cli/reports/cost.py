"""Costs as a table: targets side by side for little, usual and much use; or one target, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.cli import terminal
from autostack.cli.reports import bundle as bundle_report
from autostack.core.cost import by_component, rounded

if TYPE_CHECKING:
    from autostack.core.model import Amount, Bundle, CostEstimate


def show(bundle: Bundle, *, lines: bool = False) -> None:
    """Print all estimates."""
    ordered = sorted(bundle.costs, key=lambda cost: (cost.total.medium, cost.target))
    terminal.say("\n".join(side_by_side(ordered)))
    if lines:
        for cost in ordered:
            if cost.lines:
                _lines(cost)
    missing = sorted({text for cost in ordered for text in cost.missing})
    for text in missing:
        terminal.say(f"  {terminal.colored('missing', 'yellow')}  {terminal.clean(text)}")
    bundle_report.declined(bundle)
    dates = sorted({cost.prices_as_of for cost in ordered if cost.prices_as_of and cost.lines})
    if dates:
        terminal.say()
        text = f"USD a month without tax, prices as of {dates[0]}: an estimate, not an offer."
        terminal.say(terminal.dim(text + ("" if lines else " Each line with its source: --lines")))


def side_by_side(costs: list[CostEstimate]) -> list[str]:
    """A row for each target."""
    rows = [["", "low", "medium", "high", "", ""]]
    for cost in costs:
        parts = sorted(by_component(cost).items(), key=lambda item: -item[1].medium)
        biggest = ", ".join(f"{name} {_usd(amount.medium)}" for name, amount in parts[:3] if amount.medium > 0)
        rows.append(
            [terminal.bold(cost.target), *amounts(cost.total), terminal.dim(cost.region or ""), terminal.dim(biggest)]
        )
    return terminal.table(rows, right=(1, 2, 3), indent=0)


def amounts(amount: Amount) -> list[str]:
    """Low, medium and high, rounded."""
    return [_usd(amount.low), _usd(amount.medium), _usd(amount.high)]


def _usd(amount: float) -> str:
    return f"${rounded(amount):,}"


def _lines(cost: CostEstimate) -> None:
    terminal.heading(f"{cost.target}  {cost.region or ''}".rstrip())
    rows = []
    for line in cost.lines:
        price = "?" if line.unit_price is None else f"${line.unit_price:.10g}"
        month = _usd(line.cost.medium) if line.cost else "?"
        source = terminal.dim(f"{line.source_date}  {terminal.shorten(terminal.clean(line.source), 50)}")
        quantity = f"{line.quantity.medium:,.10g} {line.unit}"
        rows.append([line.component, terminal.clean(f"{line.service} {line.item}"), quantity, price, month, source])
    terminal.say("\n".join(terminal.table(rows, right=(2, 3, 4))))
    for text in cost.assumptions:
        terminal.say(terminal.dim(f"  {terminal.clean(text)}"))
