"""Appends every event to a file, one JSON object a line: for `tail -f`, or whatever reads logs.

An observer is told of an event at least once, so an id may come twice. In autostack.toml:

    plugin_paths = ["/opt/autostack/plugins"]

    [plugins.event_file]
    path = "/var/log/autostack/events.jsonl"
"""

import os
from dataclasses import dataclass

import msgspec

from autostack.core import Context, Event, hookimpl


@dataclass
class Settings:
    """path: the file. There is no default: without it the plugin isn't taken into service."""

    path: str


@hookimpl
def event_emitted(event: Event, ctx: Context) -> None:
    """One write for each event: lines of several processes don't mix."""
    line = msgspec.json.encode(event) + b"\n"
    file = os.open(ctx.settings.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
