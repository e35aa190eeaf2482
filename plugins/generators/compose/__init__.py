"""Writes the compose file of an application, the proxy's configuration, and the files that help to fill in `.env`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from autostack.core import Analysis, Architecture, GeneratedFile, Project, SourceTree


@hookimpl
def analysis_done(
    project: Project, analysis: Analysis, architectures: dict[str, Architecture], source: SourceTree
) -> list[GeneratedFile]:
    """The files of target `compose`, if it takes the application."""
    from autostack.plugins.generators.compose.files import write

    return write(project, analysis, architectures, source)
