"""The `autostack` command: a table of its subcommands, each imported when it is used, and one place for errors."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

# name -> what it does in a line; its module is `autostack.cli.commands.<name>`
SECTIONS: dict[str, dict[str, str]] = {
    "Run an application": {
        "up": "Analyse a folder, write its files, say what it costs, and run it on this machine.",
        "down": "Stop what `up` started; its data stays.",
    },
    "Look before": {
        "analyze": "Say what an application is and needs, and why.",
        "generate": "Write the files that run it elsewhere.",
        "cost": "Say what a month costs on each target, side by side.",
    },
    "Deploy": {
        "plan": "Say what a deployment would change, without changing it.",
        "deploy": "Plan, approve and carry out.",
        "status": "What runs where.",
        "logs": "What the application says.",
        "rollback": "Go back to an earlier release.",
        "destroy": "Remove a deployment with its data.",
    },
    "AutoStack itself": {
        "serve": "Serve the HTTP API and the page.",
        "plugin": "The plugins in service, and those refused.",
        "schema": "Print the JSON schema of a value, or the claim fields.",
    },
}
BRIEF = ("analyze", "schema")  # over before any garbage matters; what they ask of plugins is done in a fork
COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}

EXIT_CODES = """Exit codes: 0 done, 1 failed, 2 usage, 3 input refused, 4 declined, 5 busy or a limit is reached.

AUTOSTACK_DATA_DIR is where AutoStack keeps what it knows; AUTOSTACK_DEBUG=1 shows tracebacks."""

USAGE_EXIT = 2
FAILED_EXIT = 1
INTERRUPTED_EXIT = 130  # 128 + SIGINT, as shells do


class Commands(click.Group):
    """The subcommands: listed from the table, imported when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"autostack.cli.commands.{cmd_name}").command
        if cmd_name not in BRIEF:
            gc.enable()
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "; `autostack --help` lists them"
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for paragraph in EXIT_CODES.split("\n\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"autostack {version('autostack')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Give AutoStack your code: it finds out what it needs, writes the infrastructure, prices it, and deploys it."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and end the process with a documented exit code."""
    gc.disable()  # nothing that is loaded at start is garbage; commands that live on switch it on (`get_command`)
    try:
        code = run(args)
    finally:
        gc.freeze()  # the interpreter's last look at everything takes a tenth of a short command's time
        gc.enable()
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run a command line; its exit code. An error is one line on stderr that says what to do."""
    debug = os.environ.get("AUTOSTACK_DEBUG") == "1"
    try:
        result = cli.main(args, prog_name="autostack", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "autostack"
        hint = "" if "--help" in error.format_message() else f" (`{where} --help`)"
        return _say(f"{error.format_message()}{hint}", USAGE_EXIT)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        return _say(str(error.__cause__ or error) or "interrupted", INTERRUPTED_EXIT)  # click wraps interrupts
    except (BrokenPipeError, SystemExit):  # click ends the program by itself when the reader has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush there
        return 0
    except Exception as error:  # the last stop of the program
        if debug:
            raise
        from autostack.core.errors import AutoStackError
        from autostack.core.host import HostFailed

        if isinstance(error, AutoStackError):
            return _say(error.message, error.exit)
        if isinstance(error, HostFailed):
            return _say(f"the plugins could not be asked: {error}; `autostack plugin list` shows them", FAILED_EXIT)
        if isinstance(error, OSError) and error.strerror:
            name = f"{error.filename}: " if error.filename else ""
            return _say(f"{name}{error.strerror}", FAILED_EXIT)
        message = f"{type(error).__name__}: {error}"
        return _say(f"this is a fault of AutoStack: {message}; AUTOSTACK_DEBUG=1 shows where", FAILED_EXIT)


def _say(message: str, code: int) -> int:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    return code


if __name__ == "__main__":
    main()
