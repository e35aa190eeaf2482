"""Where the build of a JavaScript framework leaves plain files: by its configuration, its scripts, or as usual."""

import posixpath
import re

from autostack.core import Evidence
from autostack.core.source import SourceTree
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node

# framework -> (what its configuration says, where its build then leaves plain files)
EXPORTS: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "next": ((re.compile(r"""output\s*:\s*['"`]export['"`]"""), "out"),),
    "sveltekit": ((re.compile(r"@sveltejs/adapter-static"), "build"),),
    "react-router": ((re.compile(r"ssr\s*:\s*false"), "build/client"),),
    "remix": ((re.compile(r"ssr\s*:\s*false"), "build/client"),),
}
ASTRO_SERVER = re.compile(r"""output\s*:\s*['"`](?:server|hybrid)['"`]|@astrojs/(?:node|vercel|cloudflare|netlify)""")


def static_output(source: SourceTree, found: node.Package, row: frameworks.Framework) -> tuple[str, Evidence] | None:
    """The folder of plain files that a meta framework's build leaves, when it is told to leave only those."""
    config = frameworks.config_text(source, found, row)
    if row.name == "astro":
        if config and ASTRO_SERVER.search(config[1]):
            return None
        evidence = Evidence(config[0] if config else found.path, None, "astro without a server adapter")
        return _output(source, found, row, "dist", evidence)
    build = node.resolved(found.scripts, "build") or ""
    if row.name == "nuxt" and "generate" in build:
        return ".output/public", Evidence(found.path, found.line("scripts.build"), "nuxt generate")
    if row.name == "next" and "next export" in build:
        return "out", Evidence(found.path, found.line("scripts.build"), "next export")
    for expression, output in EXPORTS.get(row.name, ()):
        match = expression.search(config[1]) if config else None
        if config and match:
            line = config[1].count("\n", 0, match.start()) + 1
            evidence = Evidence(config[0], line, f"{row.name} exports static files")
            return _output(source, found, row, output, evidence)
    return None


def _output(
    source: SourceTree, found: node.Package, row: frameworks.Framework, usual: str, evidence: Evidence
) -> tuple[str, Evidence]:
    said = output_setting(source, found, row)
    return (said[0], Evidence(said[1], said[2], "output folder")) if said else (usual, evidence)


# framework -> how its configuration names the folder that the build fills
OUTPUT_SETTINGS = {
    name: re.compile(rf"""{key}['"]?\s*[:=]\s*(?:new URL\(\s*)?['"`]([\w./-]{{1,200}})['"`]""")
    for name, key in {
        "astro": r"\boutDir", "vue-cli": r"\boutputDir", "rsbuild": r"\broot", "eleventy": r"\boutput",
        "sveltekit": r"\bpages", "next": r"\bdistDir",
    }.items()
}  # fmt: skip


def output_setting(source: SourceTree, found: node.Package, row: frameworks.Framework) -> tuple[str, str, int] | None:
    """The output folder that a framework's configuration names, with its path and line; None if it names none."""
    config = frameworks.config_text(source, found, row)
    expression = OUTPUT_SETTINGS.get(row.name)
    start = config[1].find("distPath") if config and row.name == "rsbuild" else 0
    match = expression.search(config[1], start) if config and expression and start >= 0 else None
    if config is None or match is None:
        return None
    chosen = posixpath.normpath(match[1])
    return None if chosen.startswith(("..", "/")) else (chosen, config[0], config[1].count("\n", 0, match.start()) + 1)
