"""FastAPI applications: the object or factory that is served, in whatever module it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.core import Claim, hookimpl
from autostack.plugins.analyzers.manifests.python import roots
from autostack.plugins.analyzers.manifests.python_apps import primary, web_claims

if TYPE_CHECKING:
    from autostack.core import SourceTree


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """Claim the web process of each root whose application is FastAPI's."""
    claims: list[Claim] = []
    for root in roots(source):
        application = primary(source, root, "fastapi")
        if application is not None:
            claims += web_claims(source, root, application)
    return claims
