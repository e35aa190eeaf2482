"""How a package is built: its script, its framework, or, in a workspace, after the members that it depends on."""

import re
import shlex

from autostack.core.source import SourceTree, join
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node

_PACKAGE_NAME = re.compile(r"(@[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)

# Scripts that build for production, best first.
BUILD_SCRIPTS = ("build", "heroku-postbuild", "build:prod", "build:production")


def command(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, int | None, str] | None:
    """What builds a package, typed where it is installed; with line and reason. None: nothing is built."""
    script = next((name for name in BUILD_SCRIPTS if _builds_itself(source, found, name)), None)
    line = found.line(f"scripts.{script}")
    if chosen.root != found.root:
        return (_member_build(source, found, chosen, script), line, f"script {script}") if script else None
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


def _member_build(source: SourceTree, found: node.Package, chosen: node.Chosen, script: str) -> str:
    """Building one member from the workspace's root, after the members that it depends on."""
    top = node.package(source, chosen.root)
    inside = node.relative(chosen.root, found.root)
    if (
        top
        and top.has("turbo")
        and (join(chosen.root, "turbo.json") in source or join(chosen.root, "turbo.jsonc") in source)
    ):
        return node.execute(chosen.name, f"turbo run {script} --filter={found.name or './' + inside}")
    if top and top.has("nx") and join(chosen.root, "nx.json") in source and found.name:
        return node.execute(chosen.name, f"nx run {found.name}:{script}")
    if chosen.name == "pnpm":
        return f"pnpm --filter {_with_dependencies(found, inside)} run {script}"
    needed = [*_built_before(source, found, chosen), (found, script)]
    return " && ".join(_member_script(chosen, one, name) for one, name in needed)


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
