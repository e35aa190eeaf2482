"""What the code of a folder most likely does, by what it depends on, where neither a port nor a command says it."""

from autostack.core.model import ProcessKind
from autostack.core.source import SourceTree
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node, python
from autostack.plugins.analyzers.manifests.python_apps import FRAMEWORKS


def usual_kind(source: SourceTree, root: str) -> ProcessKind | None:
    """web with a framework that answers requests, worker with a package of bots and consumers alone, else None."""
    found = node.package(source, root)
    if found is not None:
        row = frameworks.framework(source, found)
        return "web" if row else "worker" if found.has(*frameworks.WORKER_PACKAGES) else None
    web = {"django", *(row.name for row in FRAMEWORKS)}
    return "web" if web & set(python.runtime(source, root)) else None
