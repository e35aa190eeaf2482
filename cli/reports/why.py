"""One answer of an analysis: where it stands, and what else it could have been."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from autostack.cli import terminal

if TYPE_CHECKING:
    from autostack.core.model import Analysis, Evidence, Why


def find(analysis: Analysis, field: str) -> tuple[str, Why]:
    """The key and the answer for a field: a whole key, a service's name and field, or a primary service's field."""
    for key in _keys(analysis, field):
        if key in analysis.why:
            return key, analysis.why[key]
    known = {key.partition("#")[2] if key.startswith(_primary(analysis)) else key: key for key in analysis.why}
    close = difflib.get_close_matches(field, known, 3, 0.4)
    hint = f"; close ones: {', '.join(close)}" if close else ""
    raise click.UsageError(f"there is no answer for {terminal.clean(field)!r}{hint}")


def show(key: str, answer: Why, analysis: Analysis) -> None:
    """Print an answer with its evidence and alternatives."""
    terminal.say(f"{terminal.bold(terminal.clean(key))} = {terminal.colored(value(answer.value), 'green')}")
    for line in _sources(answer.strength, answer.plugin, answer.evidence):
        terminal.say(line)
    if answer.alternatives:
        terminal.heading("It could have been")
        for other in answer.alternatives:
            terminal.say(f"  {value(other.value)}")
            for line in _sources(other.strength, other.plugin, other.evidence):
                terminal.say("  " + line)
    for conflict in analysis.conflicts:
        if f"{conflict.root}#{conflict.field}" == key:
            terminal.say()
            terminal.say(f"{terminal.colored('conflict', 'yellow')}  {terminal.clean(conflict.reason)}")


def value(found: object) -> str:
    """A claimed value as text."""
    import msgspec

    if found is None:
        return "none"
    if isinstance(found, str):
        return terminal.clean(found)
    return terminal.clean(msgspec.json.encode(found).decode())


def place(evidence: Evidence) -> str:
    """`Procfile:1`."""
    path = terminal.clean(evidence.path)
    return f"{path}:{evidence.line}" if evidence.line is not None else path


def _sources(strength: str, plugin: str, evidence: list[Evidence]) -> list[str]:
    rows = [[terminal.dim(place(e)), terminal.clean(e.reason)] for e in evidence]
    return [f"  {strength}, by {plugin}", *terminal.table(rows, indent=4)]


def _keys(analysis: Analysis, field: str) -> list[str]:
    keys = [field, f"{_primary(analysis)}{field}"]
    owner, _, rest = field.partition("#")
    keys += [f"{service.root}#{rest}" for service in analysis.services if rest and service.name == owner]
    return keys


def _primary(analysis: Analysis) -> str:
    return f"{analysis.services[0].root}#" if analysis.services else ".#"
