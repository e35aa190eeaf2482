"""What a Python source without any manifest imports, as the distributions that bring it.

Only used where nothing names the dependencies: an import's name isn't always its distribution's, and a table can't know
them all.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from autostack.core.model import Evidence
from autostack.core.source import folder
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import normalised
from autostack.plugins.analyzers.manifests.python_code import files, module

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

MAX_DISTRIBUTIONS: Final = 40
MAX_FILES: Final = 50

# Imported name -> distribution, where they differ.
DISTRIBUTIONS: Final = {
    "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "discord": "discord.py",
    "dotenv": "python-dotenv", "environ": "django-environ", "fasthtml": "python-fasthtml", "fitz": "pymupdf",
    "flask_cors": "flask-cors", "flask_login": "flask-login", "flask_migrate": "flask-migrate",
    "flask_sqlalchemy": "flask-sqlalchemy", "flask_wtf": "flask-wtf", "google.generativeai": "google-generativeai",
    "jose": "python-jose", "jwt": "pyjwt", "kafka": "kafka-python", "magic": "python-magic", "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python", "multipart": "python-multipart", "nats": "nats-py", "PIL": "pillow",
    "psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "pydantic_settings": "pydantic-settings",
    "rest_framework": "djangorestframework", "serial": "pyserial", "sklearn": "scikit-learn",
    "socketio": "python-socketio", "sqlmodel": "sqlmodel", "telegram": "python-telegram-bot", "yaml": "pyyaml",
    "zmq": "pyzmq",
}  # fmt: skip


def imported(source: SourceTree, root: str) -> dict[str, Evidence]:
    """Distribution -> where it is imported, for a root's code; without the standard library and the root's own code."""
    return dict(once(source, f"python imports {root}", lambda: _imported(source, root)))


def _imported(source: SourceTree, root: str) -> dict[str, Evidence]:
    own = {part for path in files(source, root) for part in path.removesuffix(".py").split("/")}
    own |= {part for path in source.below(root) if path.endswith(".py") for part in folder(path).split("/")}
    found: dict[str, Evidence] = {}
    for path in files(source, root)[:MAX_FILES]:
        parsed = module(source, path)
        for origin in parsed.imports.values() if parsed else ():
            name = origin.partition(".")[0]
            if not name.isidentifier() or not name.isascii() or name in own or name in sys.stdlib_module_names:
                continue
            distribution = DISTRIBUTIONS.get(name) or normalised(name)
            if len(found) < MAX_DISTRIBUTIONS:
                found.setdefault(distribution, Evidence(path, source.line(path, name), f"imports {name}"))
    return dict(sorted(found.items()))
