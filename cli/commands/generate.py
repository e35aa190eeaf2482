"""`autostack generate`: the files that run an application elsewhere."""

from __future__ import annotations

import click


@click.command("generate")
@click.argument("path", default=".")
@click.option("--out", metavar="DIR", help="Write the files below this folder. Without it they are only listed.")
@click.option("--target", "targets", metavar="NAME", multiple=True, help="Only this target's files (repeatable).")
@click.option("--force", is_flag=True, help="Replace files of DIR that differ.")
@click.option("--json", "as_json", is_flag=True, help="Print the bundle as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str, out: str | None, targets: tuple[str, ...], force: bool, as_json: bool, quiet: bool) -> None:
    """Write Dockerfile, compose file and each target's templates for the application in PATH (default: here).

    Nothing is written into PATH unless --out names it; a file that is there and differs stays, unless --force is given.
    """
    from pathlib import Path

    from autostack.cli import direct, terminal
    from autostack.cli.reports import bundle as report

    with direct.source(path) as source, terminal.slow(f"generating files for {path} …", quiet=quiet):
        asked = direct.Direct()
        terminal.warn(asked.refused(), quiet=quiet)
        analysis = asked.analyse(source)
        bundle = asked.generate(source, analysis, targets)
    direct.refuse_if_all_decline(bundle)
    written = None if out is None else direct.write(bundle, Path(out), force=force)
    if as_json:
        terminal.print_json(bundle)
    else:
        report.show(bundle, written, out)
