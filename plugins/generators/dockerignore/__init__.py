"""Writes a .dockerignore for each folder that images are built from; says which secrets an existing one lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from autostack.core import Analysis, Finding, GeneratedFile, SourceTree


@hookimpl
def analysis_done(analysis: Analysis, source: SourceTree) -> list[GeneratedFile | Finding]:
    """A .dockerignore for each context, and what an existing one lacks."""
    from autostack.plugins.generators.dockerignore.files import write

    return write(analysis, source)
