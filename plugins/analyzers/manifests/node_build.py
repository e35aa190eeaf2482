"""How a package is built: its script, its framework, or, in a workspace, after the members that it depends on."""

import re
import shlex

from autostack.core.source import SourceTree, join
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node

_PACKAGE_NAME = re.compile(r"(@[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)

# Scripts that build for production, best first.
BUILD_SCRIPTS = ("build", "heroku-postbuild", "build:prod", "build:production")


# Packages that build with webpack 4 up to a major version. Webpack 4 hashes with MD4, which Node.js 17 took away:
# https://nodejs.org/en/blog/release/v17.0.0, https://github.com/webpack/webpack/issues/14532
WEBPACK_4 = {"react-scripts": 4, "webpack": 4, "@vue/cli-service": 4, "nuxt": 2, "next": 10, "gatsby": 2,
             "@angular/cli": 11, "laravel-mix": 5}  # fmt: skip
OLD_HASHES = "NODE_OPTIONS=--openssl-legacy-provider"
# The newest Node.js that a major version of node-sass can be compiled with.
# https://github.com/sass/node-sass#node-version-support-policy
NODE_SASS = {"3": "12", "4": "14", "5": "14", "6": "16", "7": "16", "8": "18", "9": "20"}


def needs_old_hashes(found: node.Package) -> bool:
    """Whether what builds a package fails with Node.js 17 and later, unless that is told to allow old hashes."""
    scripts = " ".join(found.scripts.values())
    if "openssl-legacy-provider" in scripts:
        return False
    return any(
        (major := _major(found, name)) is not None and int(major) <= last and found.dependencies[name].group != "peer"
        for name, last in WEBPACK_4.items()
    )


def newest_for_sass(found: node.Package) -> tuple[str, str] | None:
    """What a package asks of node-sass, and the newest Node.js that this version works with; None: it has none."""
    version = NODE_SASS.get(_major(found, "node-sass") or "")
    return (f"node-sass {found.dependencies['node-sass'].spec}", version) if version else None


def _major(found: node.Package, name: str) -> str | None:
    match = re.match(r"[~^>=v ]{0,4}(\d{1,3})\b", found.dependencies[name].spec) if name in found.dependencies else None
    return match[1] if match else None


def command(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, int | None, str] | None:
    """What builds a package, typed where it is installed; with line and reason. None: nothing is built."""
    script = next((name for name in BUILD_SCRIPTS if _builds_itself(source, found, name)), None)
    line = found.line(f"scripts.{script}")
    if chosen.root != found.root:
        return _member_build(source, found, chosen, script)
    if script:
        return node.run_script(chosen.name, script), line, f"script {script}"
    row = frameworks.framework(source, found)
    if row and row.build and row.kind in ("meta", "static"):
        program = row.build if row.build.startswith("node ") else node.execute(chosen.name, row.build)
        return program, found.line(f"dependencies.{row.packages[0]}"), f"{row.name} is built before it runs"
    return None


def _builds_itself(source: SourceTree, found: node.Package, name: str) -> bool:
    """Whether a script builds the package, and not only one below it, which builds itself."""
    text = node.resolved(found.scripts, name)
    if text is None or frameworks.is_development(text):
        return False
    below = any(
        root != found.root and root.startswith("" if found.root == "." else found.root + "/")
        for root in node.roots(source)
    )
    return not (below and frameworks.only_goes_below(text))


def _member_build(
    source: SourceTree, found: node.Package, chosen: node.Chosen, script: str | None
) -> tuple[str, int | None, str] | None:
    """Building one member from the workspace's root, after those that it depends on; it may have no build itself."""
    needed = [*_built_before(source, found, chosen), *([(found, script)] if script else [])]
    if not needed:
        return None
    top = node.package(source, chosen.root)
    inside = node.relative(chosen.root, found.root)
    name = script or "build"
    line = found.line(f"scripts.{script}") if script else found.line(f"dependencies.{needed[-1][0].name}")
    reason = f"script {script}" if script else f"{needed[-1][0].name} is built before it runs"
    if (
        top
        and top.has("turbo")
        and (join(chosen.root, "turbo.json") in source or join(chosen.root, "turbo.jsonc") in source)
    ):
        command = node.execute(chosen.name, f"turbo run {name} --filter={found.name or './' + inside}")
    elif script and top and top.has("nx") and join(chosen.root, "nx.json") in source and found.name:
        command = node.execute(chosen.name, f"nx run {found.name}:{script}")
    elif chosen.name == "pnpm":
        command = f"pnpm --filter {_with_dependencies(found, inside)} run {name}"
    else:
        command = " && ".join(_member_script(chosen, one, step) for one, step in needed)
    return command, line, reason


def _with_dependencies(found: node.Package, inside: str) -> str:
    """pnpm's selector of a member and what it depends on. A folder takes the ellipsis in braces only: `./web...` is the
    member alone (ran, with pnpm 9). https://pnpm.io/filtering#--filter-package_name-1"""
    named = found.name if found.name and _PACKAGE_NAME.fullmatch(found.name) else None
    return f"{named}..." if named else shlex.quote(f"{{./{inside}}}...")


def _member_script(chosen: node.Chosen, member: node.Package, script: str) -> str:
    inside = node.relative(chosen.root, member.root)
    if chosen.name == "yarn" and member.name:
        return f"yarn workspace {member.name} run {script}"
    if chosen.name == "bun":
        return f"bun run --cwd {inside} {script}"
    return f"npm run {script} --workspace {inside}"


def _built_before(source: SourceTree, found: node.Package, chosen: node.Chosen) -> list[tuple[node.Package, str]]:
    """Members of the workspace that a package depends on and that have a build script, in the order of building."""
    space = node.workspaces(source).get(chosen.root)
    members = [node.package(source, root) for root in space.members] if space else []
    by_name = {member.name: member for member in members if member and member.name}
    order: list[tuple[node.Package, str]] = []
    seen = {found.name}
    waiting: list[tuple[node.Package, bool]] = [(found, False)]
    while waiting:
        member, done = waiting.pop()
        if done:
            if member is not found and "build" in member.scripts:
                order.append((member, "build"))
            continue
        waiting.append((member, True))
        for name in sorted(member.dependencies, reverse=True):
            if name in by_name and name not in seen:
                seen.add(name)
                waiting.append((by_name[name], False))
    return order
