"""The target `compose`: the whole application in containers on one machine, with Docker Compose or Podman Compose.

In this version AutoStack writes the files and says which commands run them; it doesn't run them itself.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from autostack.core import (
    Architecture,
    BuildPlace,
    Change,
    Component,
    Count,
    Outcome,
    Plan,
    Size,
    Target,
    hookimpl,
)

if TYPE_CHECKING:
    from autostack.core import Analysis, Bundle, Deployment, Route

TARGET: Final = "compose"
PLAN_ONLY: Final = "this version writes the files for Docker Compose and names the commands, but doesn't run them"
BUILD_MINUTES: Final = 3
# Routes several services from one port. https://hub.docker.com/_/caddy
PROXY_IMAGE: Final = "caddy:2.10-alpine"
_FILES: Final = ("compose.yaml", "deploy/compose/compose.yaml")


@hookimpl
def register_targets() -> list[Target]:
    """The one target that this plugin owns."""
    return [
        Target(
            TARGET,
            "Docker Compose",
            "All services, databases and caches in containers on one machine.",
            plan_only=PLAN_ONLY,
        )
    ]


@hookimpl
def propose_architecture(analysis: Analysis) -> Architecture:
    """Containers for all programs and stores, behind one proxy where several services are public."""
    from autostack.core.architecture import assemble

    parts = assemble(analysis)
    if not any(component.service is not None and component.kind == "task" for component in parts.components):
        return Architecture(
            TARGET, declined="there is nothing to run: no service with a command, a site or a Dockerfile"
        )
    proxy = [_proxy(parts.components, parts.routes)] if len(parts.routes) > 1 else []
    return Architecture(
        TARGET,
        components=[*parts.components, *proxy],
        routes=parts.routes,
        build=BuildPlace("here", BUILD_MINUTES),
        secrets=parts.secrets,
        externals=parts.externals,
        assumptions=parts.assumptions,
    )


def _proxy(components: list[Component], routes: list[Route]) -> Component:
    """One address for several services: requests go where the routes say."""
    from autostack.core.slugs import slug

    ids = {component.id for component in components}
    name = "proxy" if "proxy" not in ids else slug("proxy\0")
    return Component(
        name,
        "load_balancer",
        image=PROXY_IMAGE,
        port=80,
        size=Size(mib=64),
        count=Count(1, 1),
        depends_on=sorted({route.component for route in routes}),
    )


@hookimpl
def plan_requested(deployment: Deployment, architecture: Architecture, bundle: Bundle) -> Plan:
    """What the compose file would start, and the commands that start it."""
    file = _file(bundle)
    return Plan(
        changes=[Change("add", _noun(c), c.id, c.image or c.service) for c in architecture.components],
        calls=_commands(deployment, file),
        body=next((f.content for f in bundle.files if f.path == file), ""),
        predicted=True,
        downtime="containers whose image or settings changed are replaced one after another",
        warnings=[PLAN_ONLY, *(f"{name} must be set in .env" for name in architecture.externals)],
    )


@hookimpl
def deploy_requested(deployment: Deployment, bundle: Bundle) -> Outcome:
    """Refused: this version names the commands, and runs none."""
    return Outcome("failed", f"Nothing was done: {PLAN_ONLY}.", next=_commands(deployment, _file(bundle)))


@hookimpl
def destroy_requested(deployment: Deployment, keep: bool) -> Outcome:
    """Done at once: no container was started from here."""
    command = shlex.join(["docker", "compose", "-p", deployment.stack, "down", *([] if keep else ["--volumes"])])
    why = "AutoStack started no containers here; what was started by hand is ended by hand"
    return Outcome("done", why, next=[command])


@hookimpl
def deployment_checked(deployment: Deployment) -> Outcome:
    """Unknown: no container was started from here, and none is looked for."""
    command = shlex.join(["docker", "compose", "-p", deployment.stack, "ps", "--all"])
    return Outcome("unknown", "AutoStack started no containers here, and doesn't look for any.", next=[command])


@hookimpl
def deployment_logs(deployment: Deployment) -> list[str]:
    """The command that shows them."""
    return [f"docker compose -p {shlex.quote(deployment.stack)} logs shows the application's lines."]


def _file(bundle: Bundle) -> str:
    """The compose file that was written: the first of the two places that it can have."""
    paths = {file.path for file in bundle.files}
    return next((path for path in _FILES if path in paths), _FILES[-1])


def _commands(deployment: Deployment, file: str) -> list[str]:
    compose = ["docker", "compose", "-p", deployment.stack, *([] if file == _FILES[0] else ["-f", file])]
    return [
        "sh deploy/compose/env.sh",
        shlex.join([*compose, "config", "-q"]),
        shlex.join([*compose, "build"]),
        shlex.join([*compose, "up", "-d", "--wait", "--wait-timeout", "120"]),
    ]


def _noun(component: Component) -> str:
    return {"volume": "volume", "load_balancer": "proxy"}.get(component.kind, "container")
