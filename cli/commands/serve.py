"""`autostack serve`: the HTTP API and the page."""

from __future__ import annotations

import click


@click.command("serve")
@click.option("--host", metavar="ADDRESS", help="Where to listen (default: 127.0.0.1, or AUTOSTACK_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="The API's port (default: 3000, or AUTOSTACK_PORT).")
def command(host: str | None, port: int | None) -> int:
    """Serve the HTTP API and the page until interrupted; the inner roles listen on 8000 to 8002 of this machine."""
    from autostack.api.serve import serve
    from autostack.cli import terminal
    from autostack.core import settings

    def ready(addresses: list[str]) -> None:
        terminal.note(f"AutoStack serves at {addresses[0]}")

    return serve(settings.load(host=host, port=port), ready=ready)
