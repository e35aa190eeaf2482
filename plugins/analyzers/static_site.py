"""Sites of plain files, with or without a generator (Hugo, Jekyll), where no other toolchain builds them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autostack.core import Claim, Evidence, SourceTree, hookimpl
from autostack.core.source import above, folder, join
from autostack.plugins.analyzers.manifests import dockerfiles, node, roots
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks

# A folder of these names is what the folder above it serves.
PUBLISHED = ("public", "dist", "build", "site", "www", "html", "_site", "htdocs", "public_html", "out")
# Below these, pages are templates, reports or samples.
ASIDE = frozenset((
    "node_modules", "templates", "template", "views", "static", "staticfiles", "assets", "coverage", "htmlcov",
    "docs", "doc", "javadoc", "test", "tests", "__tests__", "spec", "e2e", "fixtures", "examples", "example",
    "vendor", "target", "bin", "obj", "emails", "storybook-static", "resources", "layouts", "partials", "_layouts",
    "_includes", "themes", "src", "app", "lib", ".github", ".storybook", "samples", "playwright-report", "reports",
    "migrations", "wwwroot", "priv",
))  # fmt: skip
# A page beside such a file belongs to the program.
PROGRAMS = (
    ".py",
    ".go",
    ".rb",
    ".php",
    ".java",
    ".kt",
    ".rs",
    ".cs",
    ".ex",
    ".exs",
    ".cr",
    ".swift",
    ".jl",
    ".pl",
    ".lua",
)
# Names of a frontend that stands below or beside another language's manifest and yet is a site of its own.
FRONTENDS = ("frontend", "client", "web", "website", "site", "landing", "ui", "www", "homepage", "front")

_BASE_URL = re.compile(r"(?im)^\s*['\"]?baseURL['\"]?\s*[=:]")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """The folders whose pages can be served as they are, and the sites that Hugo or Jekyll builds."""
    claims: list[Claim] = []
    taken: list[str] = []
    for root, generated in _generated(source):
        taken.append(root)
        claims += generated
    for path in [*source.named("Staticfile"), *source.named("index.html", "index.htm")]:
        place = _place(source, path)
        if place is None or any(up in taken for up in above(place[0])):
            continue
        root, served, evidence = place
        taken.append(root)
        claims.append(Claim(root, "static_dir", served, "convention", [evidence]))
        claims.append(Claim(root, "language", "html", "convention", [evidence]))
    return claims or list(_only_pages(source))


def _only_pages(source: SourceTree) -> Iterator[Claim]:
    """Pages in a folder that is else about an application, where there is no application: `docs/index.html`."""
    if roots.toolchains(source) or dockerfiles.dockerfiles(source):
        return
    for path in source.named("index.html")[:1]:
        parts = folder(path).split("/")
        if len(parts) == 1 and parts[0] in ("docs", "src", "app", "static", "assets"):
            evidence = [Evidence(path, 1, "the only pages of the source")]
            yield Claim(parts[0], "static_dir", ".", "convention", evidence)
            yield Claim(parts[0], "language", "html", "convention", evidence)


def _place(source: SourceTree, path: str) -> tuple[str, str, Evidence] | None:
    """Root, folder to serve and evidence for one page; None if it belongs to something else."""
    here = folder(path)
    if path.endswith("Staticfile"):
        match = re.search(r"(?m)^root:\s*([\w./-]{1,200})\s*$", source.text(path) or "")
        return here, match[1].strip("/") if match else ".", Evidence(path, None, "Staticfile")
    parts = [] if here == "." else here.split("/")
    if set(parts) & ASIDE or any(part.startswith(".") for part in parts if part != "."):
        return None
    root, served = (folder(here), parts[-1]) if parts and parts[-1] in PUBLISHED else (here, ".")
    if any(_is_program(source, place) for place in {root, here}):
        return None
    if any(_builds(source, up, root) for up in above(root)):
        return None
    return root, served, Evidence(path, 1, "a page that is served as it is")


def _is_program(source: SourceTree, root: str) -> bool:
    """Whether a folder itself holds a program in whose hands its pages are."""
    for path in roots.directly_in(source, root):
        if path.endswith(PROGRAMS):
            return True
        name = path.rpartition("/")[2]
        if name in ("server.js", "index.js", "app.js", "main.js", "server.ts", "main.ts", "server.mjs"):
            content = source.text(path) or ""
            if "createServer" in content or re.search(r"require\(\s*['\"](?:express|http|koa|fastify)", content):
                return True
    return False


def _builds(source: SourceTree, up: str, root: str) -> bool:
    """Whether a toolchain at or above a folder builds, or serves, what is in it."""
    names = roots.toolchains(source).get(up, frozenset())
    if up == root and join(up, "project.json") in source:  # a project of Nx
        return True
    package = node.package(source, up)
    if package is not None:
        row = frameworks.framework(source, package)
        built = "build" in package.scripts or frameworks.production_script(package) is not None
        if up == root and (row is not None or built):
            return True
        if up != root and row is not None and not _stands_alone(source, up, root):
            return True
    if not names - {"node"}:
        return False
    return up == root or not _stands_alone(source, up, root)


def _stands_alone(source: SourceTree, up: str, root: str) -> bool:
    """Whether a folder below another language's manifest is named as a frontend, and no source names it."""
    name = root.rpartition("/")[2]
    if name not in FRONTENDS:
        return False
    mark = re.compile(rf"""['"/]{re.escape(name)}['"/]""")
    sources = [path for path in source.below(up) if path.endswith((*PROGRAMS, ".js", ".ts", ".mjs"))]
    return not any(mark.search(source.text(path) or "") for path in sources[:200] if not path.startswith(root + "/"))


# ---------------------------------------------------------------------------------------------- generators of sites


def _generated(source: SourceTree) -> Iterator[tuple[str, list[Claim]]]:
    for path in source.named("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml"):
        root = folder(path)
        own = path.rpartition("/")[2].startswith("hugo") or _BASE_URL.search((source.text(path) or "")[:20_000])
        content = any(
            p.startswith(join(root, "content/")) or p.startswith(join(root, "layouts/")) for p in source.below(root)
        )
        if own and content and not set(path.split("/")) & {"exampleSite", "themes"}:
            yield root, _hugo(root, Evidence(path, None, "Hugo's configuration"))
    for path in source.named("_config.yml"):
        root = folder(path)
        gems = source.text(join(root, "Gemfile")) or ""
        if re.search(r"""(?m)^\s*gem\s+['"](?:jekyll|github-pages)['"]""", gems):
            yield root, _jekyll(root, Evidence(path, None, "Jekyll's configuration"))


def _hugo(root: str, evidence: Evidence) -> list[Claim]:
    """https://gohugo.io/commands/hugo/"""
    return [
        Claim(root, "framework", "hugo", "manifest", [evidence]),
        Claim(root, "static_dir", "public", "convention", [evidence]),
        Claim(root, "static.build_command", "hugo --gc --minify", "convention", [evidence]),
        Claim(root, "static.output_dir", "public", "convention", [evidence]),
        Claim(root, "system_packages.hugo", "build", "convention", [evidence]),
    ]


def _jekyll(root: str, evidence: Evidence) -> list[Claim]:
    """https://jekyllrb.com/docs/usage/"""
    return [
        Claim(root, "framework", "jekyll", "manifest", [evidence]),
        Claim(root, "language", "ruby", "manifest", [evidence]),
        Claim(root, "static_dir", "_site", "convention", [evidence]),
        Claim(root, "ruby.package_manager", "bundler", "manifest", [evidence]),
        Claim(root, "ruby.install_command", "bundle install", "convention", [evidence]),
        Claim(root, "ruby.build_command", "bundle exec jekyll build", "convention", [evidence]),
        Claim(root, "ruby.output_dir", "_site", "convention", [evidence]),
    ]
