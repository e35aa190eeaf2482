"""Pages that a build leaves as plain files: Vite, Create React App, Angular, Vue CLI, Gatsby and their like."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from autostack.core import Claim, Evidence, SourceTree, hookimpl
from autostack.core.roots import is_aside
from autostack.core.source import join
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import javascript_output, node, roots
from autostack.plugins.analyzers.manifests.javascript_code import code
from autostack.plugins.analyzers.manifests.shape import at, mapping, text

_OUT_DIR = re.compile(
    r"""outDir\s*:\s*(?:[\w.]+\(\s*(?:__dirname|import\.meta\.dirname)\s*,\s*)?['"`]([\w./-]{1,200})['"`]"""
)
_OUT_FLAG = re.compile(r"--(?:outDir|out-dir|dist-dir|output-path|destination|output)[ =]([\w./-]{1,200})")
# https://create-react-app.dev/docs/advanced-configuration
_BUILD_PATH = re.compile(r"""\bBUILD_PATH=['"]?([\w./-]{1,200})""")
# The path that a development server hands to a backend, and the backend's port.
_PROXY = re.compile(
    r"""['"`]\^?(/[\w/-]{1,60})[^'"`]{0,20}['"`]\s*:\s*(?:\{[^{}]{0,200}?target\s*:\s*)?['"`]?([^'"`,\s]{1,200})"""
)
# https://angular.dev/tools/cli/serve#proxying-to-a-backend-server, http-proxy-middleware as Create React App reads it
PROXY_FILES = ("proxy.conf.json", "proxy.conf.js", "proxy.conf.mjs", "src/proxy.conf.json", "proxy.config.json",
               "src/setupProxy.js")  # fmt: skip
_PROXY_PASS = re.compile(r"(?:proxy_pass\s+https?://|reverse_proxy\s+(?:/\S{1,60}\s+)?)([\w.-]{1,100}(?::\d{1,5})?)")
# Frameworks with a server of their own that answer requests rather than render pages.
APIS = ("nestjs", "adonisjs", "strapi", "keystone", "medusa", "sails")
MAX_SETTINGS = 2_000
_API_NAME = re.compile(r"(?:API|BACKEND|SERVER)(?:_|$)")
# Folders that hold a site's own pages below a folder of documents: `vitepress build docs`.
_DOCS = ("vitepress", "vuepress")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """For each package that is built into plain files: where they are, and which backend the page calls."""
    claims: list[Claim] = []
    for found in node.packages(source):
        row = frameworks.framework(source, found)
        if row and row.kind == "meta":
            claims += _calls(source, found, row)
        if row is None or row.kind != "static":
            continue
        name = next(name for name in row.packages if name in found.dependencies)
        evidence = [Evidence(found.path, found.dependencies[name].line, f"depends on {name}")]
        output, where = output_dir(source, found, row)
        claims.append(Claim(found.root, "framework", row.name, "manifest", evidence))
        claims.append(Claim(found.root, "static_dir", output, "convention", [where]))
        claims.append(
            Claim(found.root, f"{frameworks.toolchain(source, found)}.output_dir", output, "convention", [where])
        )
        claims += _calls(source, found, row)
    return claims


def output_dir(source: SourceTree, found: node.Package, row: frameworks.Framework) -> tuple[str, Evidence]:
    """The folder that the build fills, relative to the package: by the script, the configuration, or the tool."""
    script = node.resolved(found.scripts, "build") or ""
    flag = _OUT_FLAG.search(script)
    line = Evidence(found.path, found.line("scripts.build"), "script build")
    if flag and row.name != "angular":
        return _clean(flag[1]), line
    if row.name == "angular":
        return _angular(source, found)
    if row.name in _DOCS:
        docs = next(
            (words[2] for words in frameworks.steps(script) if words[:2] == [row.name, "build"] and words[2:]), "."
        )
        return _clean(f"{docs}/{row.output}"), line
    said = javascript_output.output_setting(source, found, row)
    if said:
        return said[0], Evidence(said[1], said[2], "output folder")
    build_path = _BUILD_PATH.search(script) if row.name == "create-react-app" else None
    if build_path:
        return _clean(build_path[1]), line
    config = frameworks.config_text(source, found, row)
    if config and row.name == "vite":
        match = _OUT_DIR.search(config[1])
        inside = frameworks.bundler_root(source, found) or "."
        if match or inside != ".":
            number = config[1].count("\n", 0, match.start()) + 1 if match else None
            chosen = match[1] if match else row.output or "dist"
            relative = chosen if match and "__dirname" in match[0] else f"{inside}/{chosen}"
            return _clean(relative), Evidence(config[0], number, "outDir" if match else "root")
    return row.output or "dist", Evidence(found.path, found.line("scripts.build"), f"where {row.name} builds")


def _clean(path: str) -> str:
    return posixpath.normpath(path.rstrip("/"))


def _angular(source: SourceTree, found: node.Package) -> tuple[str, Evidence]:
    """`outputPath` of the first application in angular.json; the newer builder puts pages into `browser` below it.

    https://angular.dev/reference/configs/workspace-config#output-path-configuration
    """
    path = join(found.root, "angular.json")
    projects = mapping(at(source.json(path), "projects"))
    for name, project in projects.items():
        if at(project, "projectType") not in (None, "application"):
            continue
        options = at(project, "architect", "build", "options") or at(project, "targets", "build", "options")
        builder = text(at(project, "architect", "build", "builder") or at(project, "targets", "build", "builder")) or ""
        given = at(options, "outputPath")
        base = text(at(given, "base")) or text(given) or f"dist/{name}"
        browser = text(at(given, "browser"))
        inner = browser if browser is not None else "browser" if builder.endswith(":application") else ""
        evidence = Evidence(path, source.json_line(path, "projects", name), "outputPath")
        return _clean(f"{base}/{inner}"), evidence
    return "dist", Evidence(found.path, None, "where Angular builds")


# ---------------------------------------------------------------------------------------------- the backend


def _calls(source: SourceTree, found: node.Package, row: frameworks.Framework) -> Iterator[Claim]:
    """The backend that the page calls, by a proxy of the development server or a variable with its address."""
    named = next(
        (read for read in code(source, found.root).reads if read.name.isupper() and _API_NAME.search(read.name)), None
    )
    proxy = _proxy(source, found, row)
    evidence = Evidence(named.path, named.line, f"reads {named.name}") if named else proxy[1] if proxy else None
    backend = _backend(source, found, proxy[0] if proxy else "")
    if evidence and backend:
        yield Claim(found.root, f"calls.{backend}", named.name if named else None, "convention", [evidence])


def _proxy(source: SourceTree, found: node.Package, row: frameworks.Framework) -> tuple[str, Evidence] | None:
    config = frameworks.config_text(source, found, row)
    if config and "proxy" in config[1]:
        match = _PROXY.search(config[1], config[1].index("proxy"))
        if match:
            line = config[1].count("\n", 0, match.start()) + 1
            return match[2], Evidence(config[0], line, f"proxies {match[1]}")
    for name in PROXY_FILES:
        path = join(found.root, name)
        match = _PROXY.search((source.text(path) or "")[:20_000]) if path in source else None
        if match:
            return match[2], Evidence(path, None, f"proxies {match[1]}")
    served = _web_server(source, found)
    if served:
        return served
    simple = text(found.raw.get("proxy"))
    return (simple, Evidence(found.path, found.line("proxy"), "proxy")) if simple else None


def _web_server(source: SourceTree, found: node.Package) -> tuple[str, Evidence] | None:
    """The backend that the web server in front of the pages hands requests on to."""
    for path in source.below(found.root)[:MAX_SETTINGS]:
        name = path.rpartition("/")[2]
        if name.endswith((".conf", ".conf.template")) or name == "Caddyfile":
            content = (source.text(path) or "")[:20_000]
            match = _PROXY_PASS.search(content)
            if match:
                line = content.count("\n", 0, match.start(1)) + 1
                return match[1], Evidence(path, line, "hands requests on")
    return None


def _backend(source: SourceTree, found: node.Package, address: str) -> str | None:
    """The other root that answers requests: the one that the address names, else the only one.

    Of several, one that is no frontend itself goes before those that render pages.
    """
    others = [root for root in sorted(roots.toolchains(source)) if root != found.root and _answers(source, root)]
    others = [root for root in others if not is_aside(root)]
    host = re.sub(r"^\w+://", "", address).partition(":")[0].partition("/")[0]
    named = next((root for root in others if host and root.rpartition("/")[2] == host), None)
    behind = [root for root in others if not _renders(source, root)]
    if named or len(others) == 1:
        return named or others[0]
    return behind[0] if len(behind) == 1 else None


def _renders(source: SourceTree, root: str) -> bool:
    package = node.package(source, root)
    row = frameworks.framework(source, package) if package else None
    return row is not None and row.kind == "meta" and row.name not in APIS


def _answers(source: SourceTree, root: str) -> bool:
    package = node.package(source, root)
    if package is None or roots.toolchains(source)[root] != {"node"}:
        return True
    row = frameworks.framework(source, package)
    return row is not None and row.kind in ("server", "meta")
