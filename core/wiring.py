"""Which variables an application is given, and what they hold: addresses, ports, holes for what nobody may write."""

from __future__ import annotations

import re
from typing import Final

from autostack.core import backing
from autostack.core.model import Analysis, Env, Service
from autostack.core.programs import STATIC_PORT, is_main, is_static, port_of, programs, stores, uses
from autostack.core.text import NAME, Text

_GENERATED: Final = re.compile(
    r"(DJANGO_|FLASK_|APP_|RAILS_|NEXT)?(SECRET_KEY|SECRET_KEY_BASE|SESSION_SECRET|SESSION_KEY|COOKIE_SECRET|COOKIE_KEY"
    r"|JWT_SECRET|JWT_SECRET_KEY|JWT_KEY|AUTH_SECRET|CSRF_SECRET|TOKEN_SECRET|ENCRYPTION_KEY|SECRET)"
)


def environment(analysis: Analysis, service: Service) -> dict[str, Text]:
    """The variables of a service that are known here, with their values inside the containers' network, sorted by name.

    Its own port, the addresses of its backing services, and of the services that it calls. Passwords are holes.
    """
    found: dict[str, Text] = {}
    read = {env.name for env in service.env}
    read_elsewhere = {env.name for other in analysis.services if other.root != service.root for env in other.env}
    for id, resource in stores(analysis):
        if uses(service, resource):
            for name, text in backing.wiring(resource, id, service).items():
                if name in read or name not in read_elsewhere:
                    found[name] = text
    for id, other, process in programs(analysis):
        port = (port_of(other, process) if process else STATIC_PORT) if is_main(other, process) else None
        for call in service.calls:
            if call.env and port and call.service in (other.name, other.root) and not is_public_env(service, call.env):
                found.setdefault(call.env, Text(f"http://{id}:{port}"))
    for env in run_env(service):
        if env.default is not None and not env.secret and _is_declared(analysis, service, env):
            found.setdefault(env.name, Text(env.default))
    if service.port_env and not is_static(service):
        port = next((port_of(service, p) for p in service.processes if is_main(service, p)), None)
        if port:
            found[service.port_env] = Text(str(port))
    return {name: found[name] for name in sorted(found) if NAME.fullmatch(name)}


def _is_declared(analysis: Analysis, service: Service, env: Env) -> bool:
    """Whether a value is the user's word or a deployment file's (`MODE: production` in compose), not what code assumes.

    The code's own default needs no setting; a declared value holds only if it is set.
    """
    why = analysis.why.get(f"{service.root}#env.{env.name}")
    return why is not None and why.strength in ("override", "declared")


def run_env(service: Service) -> list[Env]:
    """The variables that a service reads when it runs, sorted; a name that no environment can carry is left out."""
    return sorted(
        (env for env in service.env if env.phase != "build" and not env.public and NAME.fullmatch(env.name)),
        key=lambda env: env.name,
    )


def build_env(service: Service) -> list[Env]:
    """The variables that go into a build's output: public ones, which are no secrets. Sorted."""
    return sorted((env for env in service.env if env.public and NAME.fullmatch(env.name)), key=lambda env: env.name)


def secrets(analysis: Analysis) -> list[str]:
    """Names of the secret variables that somebody must set: the application's own, and backing services' passwords."""
    found = {
        env.name
        for service in analysis.services
        for env in run_env(service)
        if env.secret and env.name not in environment(analysis, service)
    }
    for id, resource in stores(analysis):
        if backing.BACKINGS[resource.kind].has_password:
            found.add(backing.password(id))
    return sorted(found)


def externals(analysis: Analysis) -> list[str]:
    """Names of the variables whose values only the user has: required, without a default, and made by nothing here."""
    found = set()
    for service in analysis.services:
        known = environment(analysis, service)
        for env in run_env(service):
            if env.required and env.default is None and env.name not in known and not can_be_generated(env.name):
                found.add(env.name)
    for resource in analysis.resources:
        if resource.required and resource.kind not in backing.BACKINGS and resource.kind != "sqlite":
            found.update(env.name for env in resource.env if NAME.fullmatch(env.name))
    return sorted(found)


def can_be_generated(name: str) -> bool:
    """Whether a secret is only the application's own: any long random text will do."""
    return bool(_GENERATED.fullmatch(name))


def resource_ids(analysis: Analysis) -> dict[str, str]:
    """Component ids of the backing services that run as containers, by the resource's name."""
    return {resource.name: id for id, resource in stores(analysis)}


def is_public_env(service: Service, name: str) -> bool:
    """Whether a variable goes into what browsers get."""
    return any(env.name == name and env.public for env in service.env)
