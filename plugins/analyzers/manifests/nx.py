"""The projects of an Nx workspace that have a `project.json` and no package.json of their own.

https://nx.dev/reference/project-configuration, https://nx.dev/concepts/inferred-tasks
"""

import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple

from autostack.core.roots import is_aside
from autostack.core.source import SourceTree, folder, join
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.shape import at, mapping, text

MAX_PROJECTS = 200

# Words in the name of an executor -> what the target's output is. The first row that fits decides.
EXECUTORS: tuple[tuple[str, str], ...] = (
    ("cypress", "tests"), ("playwright", "tests"), ("react-native", "phone"), ("expo", "phone"), ("detox", "phone"),
    ("next", "next"), ("angular:", "pages"), ("angular-devkit/build-angular", "pages"), ("browser", "pages"),
    ("vite", "pages"), ("web", "pages"), ("esbuild", "program"), ("node", "program"), ("nest", "program"),
    ("tsc", "program"), ("rollup", "program"),
)  # fmt: skip
# Configuration files from which Nx infers the targets: https://nx.dev/concepts/inferred-tasks
CONFIGS: tuple[tuple[str, str], ...] = (
    ("playwright.config", "tests"), ("cypress.config", "tests"), ("next.config", "next"), ("vite.config", "pages"),
    ("rsbuild.config", "pages"),
)  # fmt: skip
SUFFIXES = (".ts", ".mts", ".js", ".mjs", ".cjs")
MAINS = ("src/main.ts", "src/main.js", "src/index.ts", "src/server.ts")
_OUT_DIR = re.compile(
    r"""(?:outDir\s*:\s*|path:\s*(?:[\w.]*join|[\w.]*resolve)\(\s*__dirname\s*,\s*)['"`]([\w./-]{1,200})['"`]"""
)


class Application(NamedTuple):
    """One application. `output` is relative to its root, `main` the file that its program starts from."""

    root: str
    top: str
    name: str
    path: str
    kind: str
    output: str
    main: str | None
    runs_in_place: bool  # the build stays in the folder of the project


def applications(source: SourceTree) -> list[Application]:
    """The applications, shallow ones first; tests of the browser, and what phones run, are none."""
    return once(source, "nx.applications", lambda: _applications(source))


def _applications(source: SourceTree) -> list[Application]:
    found = []
    for path in source.named("project.json")[:MAX_PROJECTS]:
        root = folder(path)
        top = next((folder(one) for one in source.named("nx.json") if _is_below(root, folder(one))), None)
        raw = mapping(source.json(path))
        if top is None or root == top or raw.get("projectType") == "library" or is_aside(root):
            continue
        package = node.package(source, root)
        if package is not None and frameworks.production_script(package):
            continue
        name = text(raw.get("name")) or posixpath.basename(root)
        kind = _kind(source, root, mapping(at(raw, "targets")))
        if kind in (None, "tests", "phone") or name.endswith("-e2e"):
            continue
        output, inside = _output(source, root, top, mapping(at(raw, "targets")), str(kind))
        main = next((file for file in MAINS if join(root, file) in source), None)
        found.append(Application(root, top, name, path, str(kind), output, main, inside))
    return found


def _is_below(root: str, top: str) -> bool:
    return top == "." or root.startswith(top + "/")


def _kind(source: SourceTree, root: str, targets: Mapping[str, object]) -> str | None:
    """What a project's build leaves: by its executor, else by the files from which Nx infers it; or None."""
    for target in ("build", "build-base", "serve", "e2e"):
        executor = text(at(targets, target, "executor")) or text(at(targets, target, "builder")) or ""
        options = mapping(at(targets, target, "options"))
        if executor and options.get("target") == "node":
            return "program"
        found = next((kind for word, kind in EXECUTORS if word in executor), None)
        if found == "pages" and not _has_page(source, root):
            found = "program" if any(join(root, file) in source for file in MAINS) else None
        if found:
            return found
        if "webpack" in executor:
            return "pages" if _has_page(source, root) else "program"
    for name, kind in CONFIGS:
        if any(join(root, name + suffix) in source for suffix in SUFFIXES):
            return kind if kind != "pages" or _has_page(source, root) else None
    if any(join(root, f"webpack.config{suffix}") in source for suffix in SUFFIXES):
        return "pages" if _has_page(source, root) else "program"
    return None


def _has_page(source: SourceTree, root: str) -> bool:
    return any(join(root, name) in source for name in ("index.html", "src/index.html"))


def _output(source: SourceTree, root: str, top: str, targets: Mapping[str, object], kind: str) -> tuple[str, bool]:
    """Where the build puts what it makes, seen from the project's folder; and whether that lies inside it."""
    given = at(targets, "build", "options", "outputPath")
    said = text(at(given, "base")) or text(given)
    if said:
        builder = text(at(targets, "build", "executor")) or ""
        pages = "/browser" if builder.endswith(":application") else ""
        place = posixpath.normpath(
            said.replace("{projectRoot}", node.relative(top, root)).removeprefix("{workspaceRoot}/")
        )
        return node.relative(root, join(top, place)) + pages, False
    for name in ("vite.config", "webpack.config", "rsbuild.config"):
        for suffix in SUFFIXES:
            path = join(root, name + suffix)
            match = _OUT_DIR.search((source.text(path) or "")[:65_536]) if path in source else None
            if match:
                output = posixpath.normpath(match[1])
                return output, not output.startswith("..")
    return (".next", True) if kind == "next" else ("dist", True)
