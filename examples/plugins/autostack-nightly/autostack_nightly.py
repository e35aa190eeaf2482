"""Scripts called nightly.sh are run every night."""

import posixpath
import re
from dataclasses import dataclass

from autostack.core import Claim, Context, Evidence, SourceTree, hookimpl

SCHEDULE = re.compile(r"# *schedule: *(\S+ \S+ \S+ \S+ \S+) *")


@dataclass
class Settings:
    """When scripts run that don't say it themselves."""

    schedule: str = "0 3 * * *"


@hookimpl
def project_uploaded(source: SourceTree, ctx: Context) -> list[Claim]:
    """One process for each script, in the folder where it lies."""
    claims = []
    for path in source.named("nightly.sh"):
        root, name = posixpath.split(path)
        found = [Evidence(path, 1, "a script called nightly.sh")]
        claims += [
            Claim(root or ".", "processes.nightly.kind", "cron", "convention", found),
            Claim(root or ".", "processes.nightly.command", f"sh {name}", "convention", found),
            schedule(root or ".", path, source, ctx.settings),
        ]
    return claims


def schedule(root: str, path: str, source: SourceTree, settings: Settings) -> Claim:
    """The script's own word on when it runs, or else the settings'."""
    text = source.text(path) or ""
    for number, line in enumerate(text.splitlines()[:20], 1):
        if found := SCHEDULE.fullmatch(line):
            said = [Evidence(path, number, "the script says when it runs")]
            return Claim(root, "processes.nightly.schedule", found.group(1), "declared", said)
    nothing = [Evidence(path, None, "the script doesn't say when it runs")]
    return Claim(root, "processes.nightly.schedule", settings.schedule, "guess", nothing)
