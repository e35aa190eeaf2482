"""`autostack plugin`: the plugins in service."""

from __future__ import annotations

import click


@click.group("plugin")
def command() -> None:
    """The plugins in service, and those refused."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the plugin host's whole manifest as JSON.")
def list_(as_json: bool) -> None:
    """List plugins, the hooks that they implement, and those that were refused and why."""
    from autostack.cli import direct, terminal

    manifest = direct.Direct().manifest()
    if as_json:
        terminal.print_json(manifest)
        return
    rows = [
        [terminal.bold(plugin.name), _kind(plugin.hooks), terminal.dim(f"{plugin.origin} {plugin.revision}")]
        for plugin in manifest.plugins
    ]
    terminal.say("\n".join(terminal.table(rows, indent=0)))
    if manifest.problems:
        terminal.heading("Not in service")
        for problem in manifest.problems:
            terminal.say(f"  {terminal.colored(problem.plugin, 'red')}  {terminal.clean(problem.reason)}")


def _kind(hooks: list[str]) -> str:
    """What a plugin is, by the hooks that it implements."""
    from autostack.core.host import KINDS

    if "register_targets" in hooks:
        return "target"
    if hooks == ["register_prices"]:
        return "prices"
    return ", ".join(sorted({KINDS[hook] for hook in hooks}))
