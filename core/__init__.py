"""The framework: bus, plugin runtime, model. What plugin authors import stands here; the rest is found by module.

Names are loaded when first used, so that a plugin or a command pays only for what it needs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autostack.core.claims import EnvValue, NeedValue, VersionValue
    from autostack.core.context import Cancelled, Context
    from autostack.core.hookspecs import hookimpl
    from autostack.core.model import (
        Analysis,
        Architecture,
        Build,
        BuildPlace,
        Bundle,
        Change,
        Claim,
        Component,
        Count,
        Deployment,
        Event,
        Evidence,
        Existing,
        Finding,
        GeneratedFile,
        Health,
        Mount,
        Outcome,
        Plan,
        Port,
        Price,
        Process,
        Project,
        Release,
        Resource,
        ResourceEnv,
        Route,
        Service,
        Size,
        Target,
        Usage,
    )
    from autostack.core.source import SourceTree

_HOMES = {
    "claims": ("EnvValue", "NeedValue", "VersionValue"),
    "context": ("Cancelled", "Context"),
    "hookspecs": ("hookimpl",),
    "source": ("SourceTree",),
    "model": (
        "Analysis", "Architecture", "Build", "BuildPlace", "Bundle", "Change", "Claim", "Component", "Count",
        "Deployment", "Event", "Evidence", "Existing", "Finding", "GeneratedFile", "Health", "Mount", "Outcome", "Plan",
        "Port", "Price", "Process", "Project", "Release", "Resource", "ResourceEnv", "Route", "Service", "Size",
        "Target", "Usage",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Analysis", "Architecture", "Build", "BuildPlace", "Bundle", "Cancelled", "Change", "Claim", "Component",
    "Context", "Count", "Deployment", "EnvValue", "Event", "Evidence", "Existing", "Finding", "GeneratedFile",
    "Health", "Mount", "NeedValue", "Outcome", "Plan", "Port", "Price", "Process", "Project", "Release", "Resource",
    "ResourceEnv", "Route", "Service", "Size", "SourceTree", "Target", "Usage", "VersionValue", "hookimpl",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
