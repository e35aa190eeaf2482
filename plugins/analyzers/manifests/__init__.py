"""Shared readers of manifests, version ranges and dated tables, for analyzers."""
