"""A plan and an outcome as text: what will change, with which commands, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.cli import terminal

if TYPE_CHECKING:
    from autostack.core.model import Outcome, Plan

SIGNS = {
    "add": ("+", "green"),
    "change": ("~", "yellow"),
    "replace": ("±", "red"),
    "remove": ("-", "red"),
    "keep": ("=", "white"),
}


def show(plan: Plan, target: str) -> None:
    """Print the changes, commands and warnings."""
    kind = "predicted, without an account" if plan.predicted else "as it will be done"
    terminal.heading(f"Plan for {target} ({kind})")
    rows = []
    for change in plan.changes:
        sign, color = SIGNS[change.action]
        detail = terminal.clean(change.detail or "")
        if change.replaces:
            detail += f"  replaces {terminal.clean(change.replaces)}"
        rows.append([terminal.colored(sign, color), change.kind, terminal.clean(change.name), terminal.dim(detail)])
    terminal.say("\n".join(terminal.table(rows)))
    if plan.calls:
        terminal.heading("Runs")
        for call in plan.calls:
            terminal.say(f"  {terminal.clean(call)}")
    if plan.monthly_after:
        before = f"${plan.monthly_before:,.2f} → " if plan.monthly_before else ""
        terminal.say(f"\n  {before}${plan.monthly_after:,.2f} a month")
    if plan.downtime:
        terminal.say(f"\n  {terminal.clean(plan.downtime)}")
    for warning in plan.warnings:
        terminal.say(f"  {terminal.colored('!', 'yellow')} {terminal.clean(warning)}")


def outcome(found: Outcome, *, done: str) -> None:
    """Print what became of a release; `done` is the sentence for success."""
    if found.state == "done":
        mark = terminal.colored("✓", "green")
        terminal.say(f"\n{mark} {done}{': ' + terminal.bold(terminal.clean(found.url)) if found.url else ''}")
        main = f"url.{_main(found)}"
        for name, value in sorted(found.outputs.items()):
            if name != main:
                terminal.say(f"  {terminal.dim(terminal.clean(name))}  {terminal.clean(value)}")
        if found.reason:
            terminal.say(f"  {terminal.colored('!', 'yellow')} {terminal.clean(found.reason)}")
    for line in found.next:
        terminal.say(f"  {terminal.dim('next:')} {terminal.clean(line)}")


def reason(found: Outcome) -> str:
    """Why something failed, over several lines where the application's own output is part of it."""
    lines = (found.reason or f"it ended as {found.state}").splitlines()
    return "\n".join([terminal.clean(lines[0]), *("  " + terminal.printable(line) for line in lines[1:])])


def _main(found: Outcome) -> str | None:
    return next(
        (k.removeprefix("url.") for k, v in found.outputs.items() if k.startswith("url.") and v == found.url), None
    )
