"""How the command line talks: text and JSON on stdout; progress, questions and warnings on stderr."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.text import Text

SLOW_S = 1.0
MAX_WIDTH = 120


def say(text: str = "") -> None:
    """A line for the reader."""
    click.echo(text)


def note(text: str) -> None:
    """A line beside the result: progress, warnings."""
    click.echo(text, err=True)


def print_json(value: object) -> None:
    """A value on stdout as indented JSON, keys as in the model."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def width() -> int:
    """Columns to write in."""
    return min(shutil.get_terminal_size((100, 24)).columns, MAX_WIDTH)


def dim(text: str) -> str:
    return click.style(text, dim=True)


def bold(text: str) -> str:
    return click.style(text, bold=True)


def colored(text: str, color: str) -> str:
    return click.style(text, fg=color)


def clean(text: str) -> str:
    """Text from a stranger's source on one line, without what would move the cursor, and without space around it."""
    return printable(text).strip()


def printable(text: str) -> str:
    """The same with its indentation."""
    return "".join(c if c.isprintable() else " " for c in text).rstrip()


def shorten(text: str, columns: int) -> str:
    """Text of at most so many columns."""
    return text if len(text) <= columns else text[: max(columns - 1, 0)] + "…"


def warn(texts: Sequence[str], *, quiet: bool = False) -> None:
    """Warnings on stderr, a line each."""
    if not quiet:
        for text in texts:
            note(f"{colored('Warning:', 'yellow')} {clean(text)}")


def heading(text: str) -> None:
    say()
    say(bold(text))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 2) -> list[str]:
    """Aligned lines; columns of `right` are aligned at their right edge. Styles don't count as width."""
    if not rows:
        return []
    widths = [max(len(click.unstyle(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for i, cell in enumerate(row):
            space = " " * (widths[i] - len(click.unstyle(cell)))
            cells.append(space + cell if i in right else cell + space)
        lines.append(" " * indent + "  ".join(cells).rstrip())
    return lines


@contextlib.contextmanager
def slow(message: str, *, quiet: bool = False) -> Iterator[None]:
    """Say on stderr what is being done, if it takes longer than a second.

    By a timer, not a thread: plugins are forked meanwhile.
    """
    if quiet:
        yield
        return

    def tell(*_: object) -> None:
        note(dim(message))

    former = signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, SLOW_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


class Progress:
    """What long work is doing: one moving line on a terminal, a line for each step elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._moving = not quiet and sys.stderr.isatty()
        self._last = ""
        self._shown = contextlib.ExitStack()
        self._update: Callable[[Text], None] | None = None

    def __enter__(self) -> Progress:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Without the moving line, for output or a question."""
        self._shown.close()
        self._update = None
        try:
            yield
        finally:
            self._begin()

    def _begin(self) -> None:
        if self._moving:
            from rich.console import Console

            status = Console(stderr=True).status("")
            self._shown.enter_context(status)
            self._update = status.update

    def step(self, message: str) -> None:
        """What is being done now."""
        message = clean(message)
        if self._quiet or message == self._last:
            return
        self._last = message
        if self._update is not None:
            from rich.text import Text

            self._update(Text(shorten(message, width() - 4), style="dim"))
        else:
            note(message)


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def confirm(question: str, *, hint: str) -> bool:
    """Ask on the terminal. Without one, a usage error that names the flag."""
    if not can_ask():
        raise click.UsageError(f"{hint}; there is no terminal to ask: give --yes")
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # an event loop would hold an interrupt back
    try:
        return click.confirm(question, default=False, err=True)
    finally:
        signal.signal(signal.SIGINT, former)
