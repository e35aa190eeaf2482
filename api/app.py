"""The Quart applications: the gateway with the whole API, and the three inner listeners."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from quart import Blueprint, Quart

from autostack.api import access, openapi, problems
from autostack.api.blueprints import health
from autostack.api.body import ApiRequest, MsgspecJSON
from autostack.api.guard import KIB, Application, Bounds, Guard
from autostack.api.state import EXTENSION, Api, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autostack.core.settings import Settings

# What a form adds to the file that it carries; and an upload where the operator lifted the limit.
FORM_SLACK: Final = 64 * KIB
UNLIMITED: Final = 2**40

# One for each resource, in the order of a project's life. Each module has a `blueprint`.
RESOURCES: Final = (
    "page", "description", "auth", "projects", "uploads", "analyses", "files", "cost", "env", "targets", "deployments",
    "events", "stages", "usage", "plugins", "metrics",
)  # fmt: skip


def create_app(api: Api) -> Quart:
    """The gateway: the API below /api, health, metrics and the page.

    api  what the routes share; its core has been started
    """
    app = _application("gateway", api.version, _bounds(api.core.settings))
    app.extensions[EXTENSION] = api
    openapi.register(app, api.version)
    app.json = MsgspecJSON(app)  # after QuartSchema, which sets its own
    access.register(app, api)
    for blueprint in _resources():
        app.register_blueprint(blueprint)
    return app


def create_inner_app(role: Role, version: str) -> Quart:
    """One of the listeners on loopback, which answers for its role alone."""
    return _application(role, version, Bounds(literal_hosts=False))


def _bounds(settings: Settings) -> Bounds:
    """What the gateway lets in: the operator's host names, and uploads up to the owner's limit."""
    limit = settings.limits.upload_bytes
    return Bounds(
        hosts=frozenset(settings.allowed_hosts.lower().replace(",", " ").split()),
        upload_body=UNLIMITED if limit is None else limit + FORM_SLACK,
    )


def _application(role: Role, version: str, bounds: Bounds) -> Quart:
    app = Quart(
        f"autostack.api.{role}",
        root_path=__file__.rpartition("/")[0],
        static_folder="static" if role == "gateway" else None,
        template_folder="templates",
    )
    app.request_class = ApiRequest
    app.config.update(
        MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, PROPAGATE_EXCEPTIONS=False, MAX_FORM_MEMORY_SIZE=64 * 1024
    )
    # "//elsewhere" is no address of ours, and must not become a redirect to one
    app.url_map.merge_slashes = False
    problems.register(app)
    app.register_blueprint(health.blueprint(role, version))
    guard = Guard(cast(Application, app.asgi_app), bounds)
    app.asgi_app = guard  # type: ignore[assignment,method-assign]  # Quart's documented way to wrap
    return app


def _resources() -> Iterable[Blueprint]:
    for name in RESOURCES:
        blueprint = import_module(f"autostack.api.blueprints.{name}").blueprint
        assert isinstance(blueprint, Blueprint)
        yield blueprint
