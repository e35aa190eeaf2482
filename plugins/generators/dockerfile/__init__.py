"""Writes a Dockerfile for each service that brings none fit to serve: small, not as root, with a health check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.core.hookspecs import hookimpl

if TYPE_CHECKING:
    from autostack.core import Analysis, Finding, GeneratedFile, SourceTree


@hookimpl
def analysis_done(analysis: Analysis, source: SourceTree) -> list[GeneratedFile | Finding]:
    """A Dockerfile for each service, and why one couldn't be written."""
    from autostack.plugins.generators.dockerfile.files import write

    return write(analysis, source)
