"""`autostack cost`: what a month costs on each target."""

from __future__ import annotations

import click


@click.command("cost")
@click.argument("path", default=".")
@click.option("--target", "targets", metavar="NAME", multiple=True, help="Only this target (repeatable).")
@click.option("--lines", is_flag=True, help="Show each line with its quantity, unit price and source.")
@click.option("--json", "as_json", is_flag=True, help="Print the estimates as JSON, unrounded.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str, targets: tuple[str, ...], lines: bool, as_json: bool, quiet: bool) -> None:
    """Say what a month of the application in PATH (default: here) costs on each target: little, usual and much use."""
    from autostack.cli import direct, terminal
    from autostack.cli.reports import cost as report

    with direct.source(path) as source, terminal.slow(f"pricing {path} …", quiet=quiet):
        asked = direct.Direct()
        terminal.warn(asked.refused(), quiet=quiet)
        analysis = asked.analyse(source)
        bundle = asked.generate(source, analysis, targets)
    direct.refuse_if_all_decline(bundle)
    if as_json:
        declined = {a.target: a.declined for a in bundle.architectures if a.declined is not None}
        terminal.print_json({"costs": bundle.costs, "declined": declined})
    else:
        report.show(bundle, lines=lines or len(bundle.costs) == 1)
