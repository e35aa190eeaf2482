"""`autostack analyze`: what an application is and needs, and why."""

from __future__ import annotations

import click


@click.command("analyze")
@click.argument("path", default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the whole analysis as JSON (`autostack schema analysis`).")
@click.option("--why", metavar="FIELD", help="Explain one answer: `port`, `backend#framework`, `resources#db.kind`.")
@click.option("--all", "everything", is_flag=True, help="Show all environment variables and findings.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str, as_json: bool, why: str | None, everything: bool, quiet: bool) -> None:
    """Say what the application in PATH (a folder or an archive; default: here) is and needs, and why."""
    from autostack.cli import direct, terminal

    with direct.source(path) as source, terminal.slow(f"analysing {path} …", quiet=quiet):
        asked = direct.Direct()
        terminal.warn(asked.refused(), quiet=quiet)
        analysis = asked.analyse(source)
    if why is not None:
        from autostack.cli.reports import why as report

        key, answer = report.find(analysis, why)
        terminal.print_json(answer) if as_json else report.show(key, answer, analysis)
    elif as_json:
        terminal.print_json(analysis)
    else:
        from autostack.cli.reports import analysis as analysis_report

        analysis_report.show(analysis, str(source.given), everything=everything)
