"""Flask applications: the object or factory that is served, and Flask-Migrate's release step."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING

from autostack.core import Claim, Evidence, hookimpl
from autostack.core.source import folder, join
from autostack.plugins.analyzers.manifests.python import inside, roots, runtime
from autostack.plugins.analyzers.manifests.python_apps import Application, primary, web_claims

if TYPE_CHECKING:
    from autostack.core import SourceTree


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """Claim the web process of each root whose application is Flask's."""
    claims: list[Claim] = []
    for root in roots(source):
        application = primary(source, root, "flask", "dash")
        if application is not None:
            claims += web_claims(source, root, application)
            claims += _migrations(source, root, application)
    return claims


def _migrations(source: SourceTree, root: str, application: Application) -> list[Claim]:
    """Flask-Migrate keeps its scripts in a folder with its own alembic.ini. https://flask-migrate.readthedocs.io"""
    dependency = runtime(source, root).get("flask-migrate")
    kept = [inside(root, folder(path)) for path in source.below(root) if path.endswith("migrations/env.py")]
    if dependency is None or not kept:
        return []
    app = f"{application.module}:{application.attribute}"
    command = f"flask --app {app} db upgrade"
    # Without the option the folder is looked for where the command is typed.
    usual = join(application.start, "migrations")
    if usual not in kept:
        nearest = min(kept, key=lambda place: (place.count("/"), place))
        command += f" --directory {shlex.quote(posixpath.relpath(nearest, application.start))}"
    if application.start != ".":
        command = f"cd {application.start} && {command}"
    evidence = [Evidence(dependency.path, dependency.line, "Flask-Migrate with a migrations folder")]
    return [
        Claim(root, "processes.release.kind", "release", "convention", evidence),
        Claim(root, "processes.release.command", command, "convention", evidence),
    ]
