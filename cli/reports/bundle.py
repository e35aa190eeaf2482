"""A bundle as text: which files were written, which stayed, and which targets decline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.cli import terminal

if TYPE_CHECKING:
    from autostack.cli.direct import Written
    from autostack.core.model import Bundle


def show(bundle: Bundle, written: Written | None, out: str | None) -> None:
    """Print the list of files, and what to do next."""
    listing(bundle, written)
    declined(bundle)
    findings(bundle)
    if out is None:
        terminal.say()
        terminal.say(terminal.dim("Nothing was written: give --out DIR to write these files"))
    elif written and written.kept:
        terminal.say()
        terminal.say(f"{len(written.kept)} files are there already and differ: --force replaces them")


def listing(bundle: Bundle, written: Written | None = None) -> None:
    """Print the files, with what became of each where they were written."""
    rows = [[file.path, terminal.dim(terminal.clean(file.purpose))] for file in bundle.files]
    if written:
        rows = [[written.state(path), path, purpose] for path, purpose in rows]
    terminal.say("\n".join(terminal.table(rows)))


def declined(bundle: Bundle) -> None:
    """Print the targets that can't take the application."""
    refusals = [(a.target, a.declined) for a in bundle.architectures if a.declined is not None]
    if refusals:
        terminal.heading("Declined")
        rows = [[terminal.clean(target), terminal.clean(reason)] for target, reason in refusals]
        terminal.say("\n".join(terminal.table(rows)))


def findings(bundle: Bundle) -> None:
    """Print what generators found."""
    if bundle.findings:
        terminal.heading("Findings")
        for finding in bundle.findings:
            where = f"  {terminal.dim(terminal.clean(finding.path))}" if finding.path else ""
            terminal.say(f"  {finding.severity:<6}  {terminal.clean(finding.message)}{where}")
    if bundle.incomplete:
        terminal.say(f"{terminal.colored('Incomplete', 'yellow')}: {', '.join(bundle.incomplete)} could not finish")
