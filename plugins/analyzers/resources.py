"""Data stores by what an application depends on: a driver says which kind it speaks to, variables carry the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from autostack.core import Claim, Evidence, NeedValue, hookimpl
from autostack.core.vocabulary import RESOURCE_FAMILIES
from autostack.plugins.analyzers.manifests import node, python
from autostack.plugins.analyzers.manifests.drivers import DRIVERS, EXTRAS, OPTIONAL, bound
from autostack.plugins.analyzers.manifests.environment import scheme
from autostack.plugins.analyzers.manifests.javascript_code import code
from autostack.plugins.analyzers.manifests.python_environment import reads
from autostack.plugins.analyzers.manifests.python_imports import imported
from autostack.plugins.analyzers.manifests.python_project import libraries

if TYPE_CHECKING:
    from autostack.core import Service, SourceTree
    from autostack.core.strengths import Strength


# Families of what an application keeps its data in.
MAIN_STORES = ("sql", "document")


class Driver(NamedTuple):
    """A dependency that speaks to a kind of store."""

    kind: str
    dependency: str
    required: bool
    evidence: Evidence


@hookimpl
def service_detected(service: Service, source: SourceTree) -> list[Claim]:
    """Claim what the service's drivers speak to, with the service's variables that carry the address."""
    places = [service.root]
    if service.kind != "static":  # pages need nothing of what their workspace's other members do
        places += [one.root for one in service.toolchains if one.root != service.root]
    found: list[Driver] = []
    for place in places:
        found += drivers(source, place)
        if found:
            break
    known = {one.dependency for one in found}
    for library in _libraries(source, service.root):
        found += [one for one in drivers(source, library) if one.dependency not in known]
    strength: Strength = "manifest"
    if not found and service.language == "python" and not python.has_manifest(source, service.root):
        found, strength = _imports(source, service.root), "guess"
    names = [one.name for one in service.env]
    fallback = _falls_back_to_sqlite(service, source)
    tested = {read.name for read in code(source, service.root).reads if read.tested}
    claims = []
    for driver in found:
        replaceable = fallback and RESOURCE_FAMILIES.get(driver.kind) == "sql" and driver.kind != "sqlite"
        carried = bound(driver.kind, names)
        addresses = {one.name for one in carried if one.part in ("url", "host")}
        # `process.env.REDIS_URL ? new Redis(…) : null`; without its only database hardly any application works
        conditional = bool(addresses) and addresses <= tested and RESOURCE_FAMILIES[driver.kind] not in MAIN_STORES
        value = NeedValue(required=driver.required and not replaceable and not conditional, env=carried)
        claims.append(Claim(service.root, f"needs.{driver.kind}", value, strength, [driver.evidence]))
        # an address has to name the driver (postgresql+asyncpg://): whoever writes one asks the libraries
        claims.append(Claim(service.root, "libraries", [driver.dependency], strength, [driver.evidence]))
    return claims


def _libraries(source: SourceTree, root: str) -> list[str]:
    """The roots of this source that a Python service installs: a store that they speak to is the service's."""
    found: list[str] = []
    for place in (waiting := [root]):
        for other, _ in libraries(source, place):
            if other not in waiting:
                waiting.append(other)
                found.append(other)
    return found


def drivers(source: SourceTree, root: str) -> list[Driver]:
    """The drivers among a root's production dependencies, of every ecosystem."""
    return [*_python(source, root), *_node(source, root)]


def _python(source: SourceTree, root: str) -> Iterator[Driver]:
    installed = python.runtime(source, root)
    for name, found in sorted(installed.items()):
        if name == "amqp" and "celery" in installed:
            continue  # Celery brings it whatever its broker is
        kinds = [DRIVERS["python"].get(name)]
        kinds += [EXTRAS.get(name, {}).get(extra) for extra in found.extras]
        for kind in dict.fromkeys(kind for kind in kinds if kind):
            yield Driver(kind, name, name not in OPTIONAL, Evidence(found.path, found.line, f"depends on {name}"))


def _imports(source: SourceTree, root: str) -> list[Driver]:
    """The drivers among what the code imports, where no manifest names dependencies."""
    known = [(name.partition("[")[0], where) for name, where in imported(source, root).items()]
    table = DRIVERS["python"]
    return [Driver(table[name], name, name not in OPTIONAL, where) for name, where in known if name in table]


def _node(source: SourceTree, root: str) -> Iterator[Driver]:
    for name, found in sorted(node.dependencies(source, root).items()):
        kind = DRIVERS["npm"].get(name)
        if kind and found.group in ("runtime", "optional"):
            path = root + "/package.json" if root != "." else "package.json"
            yield Driver(kind, name, name not in OPTIONAL, Evidence(path, found.line, f"depends on {name}"))


def _falls_back_to_sqlite(service: Service, source: SourceTree) -> bool:
    """Whether the code runs on a SQLite file when no server's address is given."""
    defaults = [one.default for one in service.env] + [one.default for one in reads(source, service.root)]
    return any(scheme(default) == "sqlite" for default in defaults if default)
