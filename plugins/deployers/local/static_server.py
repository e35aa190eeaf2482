"""Serves a folder over HTTP on this machine: a static site, or a single-page application with its fallback.

A program of its own (`python static_server.py FOLDER PORT [/PATH=PORT …]`), from the standard library alone, so that it
goes on while AutoStack is upgraded. Requests below /PATH are passed on to the program on that port.
"""

from __future__ import annotations

import http.client
import os
import shutil
import sys
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding",
    "upgrade",
})  # fmt: skip  # RFC 9110 section 7.6.1


class Handler(SimpleHTTPRequestHandler):
    """GET and HEAD from the folder; what is in no file and looks like a page is the application's `index.html`."""

    server_version = "AutoStack"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    folder = "."
    routes: dict[str, int] = {}  # noqa: RUF012  set once before the server starts

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, directory=self.folder, **kwargs)  # type: ignore[arg-type]  # passed through as they come

    def do_GET(self) -> None:
        if not self._passed_on():
            super().do_GET()

    def do_HEAD(self) -> None:
        if not self._passed_on():
            super().do_HEAD()

    def do_POST(self) -> None:
        if not self._passed_on():
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST

    def translate_path(self, path: str) -> str:
        """The file for a request; nothing whose name begins with a dot, nothing outside of the folder."""
        top = os.path.realpath(self.folder)
        found = super().translate_path(path)
        real = os.path.realpath(found)
        inside = real == top or real.startswith(top + os.sep)
        hidden = any(
            part.startswith(".") and part != ".well-known" for part in os.path.relpath(found, top).split(os.sep)
        )
        if not inside or (hidden and found.rstrip(os.sep) != top):
            return os.path.join(top, "\N{NO-BREAK SPACE}nothing")
        if os.path.exists(found):
            return found
        if os.path.isfile(found.rstrip(os.sep) + ".html"):
            return found.rstrip(os.sep) + ".html"
        index = os.path.join(top, "index.html")
        is_page = "." not in os.path.basename(found)
        return (
            index if is_page and os.path.isfile(index) and not os.path.isfile(os.path.join(top, "404.html")) else found
        )

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """Folders are not listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def _passed_on(self) -> bool:
        path = urlsplit(self.path).path
        port = next((p for prefix, p in self.routes.items() if path == prefix or path.startswith(prefix + "/")), None)
        if port is None:
            return False
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return True
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["X-Forwarded-For"] = self.client_address[0]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        try:
            connection.request(self.command, self.path, self.rfile.read(length) if length else None, headers)
            answer = connection.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.close_connection = True
            SimpleHTTPRequestHandler.end_headers(self)
            if self.command != "HEAD":
                shutil.copyfileobj(answer, self.wfile)
        except (OSError, http.client.HTTPException):
            self.send_error(HTTPStatus.BAD_GATEWAY)
        finally:
            connection.close()
        return True


class Server(ThreadingHTTPServer):
    """A thread for each connection. Whoever goes away before the answer is no error."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed through as they come


def main(folder: str, port: str, *routes: str) -> None:
    """Serve until the process is ended."""
    Handler.folder = folder
    Handler.routes = {path: int(to) for path, _, to in (route.partition("=") for route in routes)}
    with Server(("127.0.0.1", int(port)), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
