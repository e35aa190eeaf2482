"""How a container asks its own program whether it is well: by the runtime that is in the image anyway, no curl needed.

An answer below 500 is well, as everywhere in AutoStack: a redirect or a refused host name shows a program at work.
"""

from __future__ import annotations

import json
from typing import Final

# runtime -> (program and flag, code that asks a path, code that connects). {port} is an expression, {path} a literal.
_PROBES: Final = {
    "python": (
        ("python", "-c"),
        "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', {port}, timeout=4); "
        "c.request('GET', {path}); sys.exit(c.getresponse().status >= 500)",
        "import os, socket; socket.create_connection(('127.0.0.1', {port}), 4).close()",
        "int(os.environ.get({name}) or {number})",
    ),
    "node": (
        ("node", "-e"),
        "const r = require('http').get({{host: '127.0.0.1', port: {port}, path: {path}, timeout: 4000}}, "
        "a => process.exit(a.statusCode < 500 ? 0 : 1)); "
        "r.on('timeout', () => process.exit(1)); r.on('error', () => process.exit(1))",
        "const s = require('net').connect({port}, '127.0.0.1', () => process.exit(0)); "
        "s.setTimeout(4000, () => process.exit(1)); s.on('error', () => process.exit(1))",
        "(process.env[{name}] || {number})",
    ),
}


def probe(runtime: str | None, port: int, path: str | None = None, port_env: str | None = None) -> list[str] | None:
    """The arguments of a health command, or None where the runtime has none.

    runtime   name of the toolchain in the image ("python", "node")
    port      where the program listens
    path      an HTTP path; None only connects
    port_env  the variable that moves the port, read when the command runs
    """
    if runtime not in _PROBES and runtime != "bun":
        return None
    program, ask, connect, moved = _PROBES["node" if runtime == "bun" else runtime]
    number = moved.format(name=json.dumps(port_env), number=port) if port_env else str(port)
    code = connect.format(port=number) if path is None else ask.format(port=number, path=json.dumps(path))
    return [*(("bun", "-e") if runtime == "bun" else program), code]
