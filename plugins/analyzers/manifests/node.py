"""package.json, its lockfiles and workspaces, and npm's version ranges: what every analyzer of JavaScript reads.

One reader, so that all of them see the same scripts, the same dependencies and the same workspace.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from autostack.core.claims import VersionValue
from autostack.core.source import SourceTree, above, folder, join
from autostack.plugins.analyzers.manifests import releases
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.shape import at, mapping, text, words

Group = Literal["runtime", "dev", "peer", "optional"]
Manager = Literal["npm", "pnpm", "yarn", "bun"]
MANAGERS: tuple[Manager, ...] = ("npm", "pnpm", "yarn", "bun")

GROUPS: dict[str, Group] = {  # section of package.json -> group; earlier ones win
    "dependencies": "runtime",
    "optionalDependencies": "optional",
    "devDependencies": "dev",
    "peerDependencies": "peer",
}
LOCKFILES: tuple[tuple[str, Manager], ...] = (  # the order in which one is chosen when there are several
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
)
# lockfileVersion -> the package manager's major that writes it.
# https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json#lockfileversion, https://github.com/pnpm/spec
LOCKFILE_MAJORS: dict[Manager, dict[str, str]] = {
    "npm": {"1": "6", "2": "8", "3": "10"},
    "pnpm": {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"},
}
MAX_RANGE = 256  # characters of a version range that are looked at
MAX_MEMBERS = 500
MAX_PACKAGES = 1_000
MAX_WORKSPACES = 50
MAX_PATTERNS = 50


class Dependency(NamedTuple):
    """One entry of package.json: the range as written, its section, and the line where it stands."""

    spec: str
    group: Group
    line: int | None


@dataclass(frozen=True)
class Package:
    """One package.json. `lines` finds the line of a key."""

    path: str
    root: str
    name: str | None
    scripts: dict[str, str]
    main: str | None
    module: bool
    bins: list[str]
    dependencies: dict[str, Dependency]
    raw: dict[str, object] = field(repr=False)
    lines: dict[str, int] = field(repr=False)

    def has(self, *names: str) -> bool:
        """Whether one of the packages is named in any section but peerDependencies."""
        return any(name in self.dependencies and self.dependencies[name].group != "peer" for name in names)

    def line(self, key: str) -> int | None:
        """The line of a key such as `name` or `scripts.start`; of its section, where the key has no line of its own."""
        return self.lines.get(key) or self.lines.get(key.partition(".")[0])


class Workspace(NamedTuple):
    """A folder whose package.json (or pnpm-workspace.yaml) names members."""

    root: str
    path: str
    members: tuple[str, ...]


class Chosen(NamedTuple):
    """The package manager that a root uses, by what the source says; `version` as written, `path` where it stands."""

    name: Manager
    version: str | None
    path: str
    line: int | None
    lockfile: str | None
    root: str  # where it is run: the folder of the lockfile or of the workspace

    @property
    def berry(self) -> bool:
        """Yarn 2 and later, whose options differ."""
        return self.name == "yarn" and self.version is not None and not self.version.startswith("1")


# ---------------------------------------------------------------------------------------------- package.json


def package(source: SourceTree, root: str) -> Package | None:
    """The package.json of a folder, or None: there is none, or it is no JSON object."""
    return once(source, f"node.package {root}", lambda: _package(source, root))


def _package(source: SourceTree, root: str) -> Package | None:
    path = join(root, "package.json")
    if path not in source:
        return None
    parsed = source.json(path)
    raw = dict(mapping(parsed))
    if not isinstance(parsed, Mapping):
        return None
    lines = _key_lines(source.text(path) or "")
    found: dict[str, Dependency] = {}
    for section, group in GROUPS.items():
        for name, spec in mapping(raw.get(section)).items():
            found.setdefault(
                name, Dependency(text(spec) or "*", group, lines.get(f"{section}.{name}") or lines.get(section))
            )
    scripts = {name: script for name, value in mapping(raw.get("scripts")).items() if (script := text(value))}
    bins = raw.get("bin")
    return Package(
        path=path,
        root=root,
        name=text(raw.get("name")),
        scripts=scripts,
        main=text(raw.get("main")),
        module=raw.get("type") == "module",
        bins=words(list(bins.values()) if isinstance(bins, Mapping) else bins),
        dependencies=found,
        raw=raw,
        lines=lines,
    )


def roots(source: SourceTree) -> list[str]:
    """The folders with a package.json, shallow ones first."""
    return [folder(path) for path in source.named("package.json")[:MAX_PACKAGES]]


def packages(source: SourceTree) -> Iterator[Package]:
    """All package.json files, shallow ones first."""
    for root in roots(source):
        found = package(source, root)
        if found is not None:
            yield found


def dependencies(source: SourceTree, root: str) -> dict[str, Dependency]:
    """The packages that a root's package.json names, by name; empty if it has none."""
    found = package(source, root)
    return found.dependencies if found else {}


_KEY = re.compile(r'^(\s*)"([^"\\]{1,214})"\s*:\s*(\{?)')


def _key_lines(content: str) -> dict[str, int]:
    """Lines of the keys at the first two levels, by `key` and `section.key`; told by indentation."""
    lines: dict[str, int] = {}
    section, depth = "", 0
    for number, line in enumerate(content.splitlines()[:20_000], 1):
        match = _KEY.match(line)
        if match is None:
            continue
        indent, key, opens = len(match[1]), match[2], match[3]
        if section and indent > depth:
            lines.setdefault(f"{section}.{key}", number)
            continue
        lines.setdefault(key, number)
        section, depth = (key, indent) if opens and "}" not in line else ("", 0)
    return lines


# ---------------------------------------------------------------------------------------------- scripts

_RUN = re.compile(r"(?:npm|pnpm|yarn|bun)(?: -s| --silent)?(?: run| run-script)?(?: -s| --silent)? ([\w:.-]+)$")


def resolved(scripts: dict[str, str], name: str) -> str | None:
    """A script's text, followed through `npm run other` and the like; None if there is no such script."""
    for _ in range(5):
        script = scripts.get(name)
        if script is None:
            return None
        match = _RUN.match(" ".join(script.split()))
        if match is None or match[1] not in scripts or match[1] == name:
            return script
        name = match[1]
    return scripts.get(name)


# ---------------------------------------------------------------------------------------------- workspaces


def workspaces(source: SourceTree) -> dict[str, Workspace]:
    """All workspaces, by the root that names the members."""
    return once(source, "node.workspaces", lambda: _workspaces(source))


def _workspaces(source: SourceTree) -> dict[str, Workspace]:
    found: dict[str, Workspace] = {}
    known = roots(source)
    for root in known:
        if len(found) >= MAX_WORKSPACES:
            break
        patterns, path = _patterns(source, root)
        if patterns:
            members = [other for other in known if other != root and _is_member(root, other, patterns)]
            found[root] = Workspace(root, path, tuple(sorted(members)[:MAX_MEMBERS]))
    return found


def workspace_of(source: SourceTree, root: str) -> Workspace | None:
    """The workspace that a root belongs to as a member, or None."""
    known = workspaces(source)
    return next((known[up] for up in above(root)[1:] if up in known and root in known[up].members), None)


def _patterns(source: SourceTree, root: str) -> tuple[list[str], str]:
    for name in ("pnpm-workspace.yaml", "pnpm-workspace.yml"):
        path = join(root, name)
        if path in source:
            patterns = words(at(source.yaml(path), "packages"))
            if patterns:
                return patterns, path
    path = join(root, "package.json")
    raw = mapping(source.json(path))
    listed = raw.get("workspaces")
    patterns = words(listed.get("packages") if isinstance(listed, Mapping) else listed)
    if not patterns and join(root, "lerna.json") in source:
        patterns, path = words(at(source.json(join(root, "lerna.json")), "packages")), join(root, "lerna.json")
    return patterns, path


def _is_member(root: str, other: str, patterns: list[str]) -> bool:
    if root == ".":
        inside = other
    elif other.startswith(root + "/"):
        inside = other[len(root) + 1 :]
    else:
        return False
    member = False
    for pattern in patterns[:MAX_PATTERNS]:
        negated = pattern.startswith("!")
        parts = [part for part in pattern.lstrip("!").strip("/").split("/") if part not in ("", ".")]
        if _matches(tuple(inside.split("/")), tuple(parts)):
            member = not negated
    return member


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Glob by parts: `**` stands for any number of them. Linear in path x pattern, whatever the pattern."""
    import fnmatch

    reached = {0}
    for part in pattern:
        if part == "**":
            reached = set(range(min(reached, default=len(path) + 1), len(path) + 1))
        else:
            alternatives = _braces(part)
            reached = {
                i + 1 for i in reached if i < len(path) and any(fnmatch.fnmatchcase(path[i], a) for a in alternatives)
            }
        if not reached:
            return False
    return len(path) in reached


def _braces(part: str) -> list[str]:
    match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", part)
    return [match[1] + choice + match[3] for choice in match[2].split(",")] if match else [part]


# ---------------------------------------------------------------------------------------------- package managers


def lockfiles(source: SourceTree, root: str) -> list[tuple[Manager, str]]:
    """The lockfiles that stand in a folder, in the order in which one would be chosen."""
    return [(manager, path) for name, manager in LOCKFILES if (path := join(root, name)) in source]


def declared_manager(found: Package | None) -> tuple[Manager, str | None] | None:
    """Name and version of package.json's `packageManager` ("pnpm@9.1.0+sha512…"), or of `devEngines.packageManager`."""
    if found is None:
        return None
    written = text(found.raw.get("packageManager")) or ""
    name, _, version = written.partition("@")
    if not written:
        engine = mapping(at(found.raw, "devEngines", "packageManager"))
        name, version = text(engine.get("name")) or "", text(engine.get("version")) or ""
    for manager in MANAGERS:
        if name == manager:
            return manager, version.partition("+")[0] or None
    return None


def chosen_manager(source: SourceTree, root: str) -> Chosen:
    """The package manager of a root: `packageManager`, else a lockfile, else npm; the root's own or its workspace's."""
    workspace = workspace_of(source, root)
    for place in (root, workspace.root) if workspace else (root,):
        own = package(source, place)
        locks = lockfiles(source, place)
        declared = declared_manager(own)
        if declared and own:
            name, version = declared
            lock = next((path for manager, path in locks if manager == name), None)
            version = version or (lock_version(source, name, lock) if lock else None)
            line = own.line("packageManager") or own.line("devEngines")
            return Chosen(name, version, own.path, line, lock, place)
        if locks:
            name, path = locks[0]
            return Chosen(name, lock_version(source, name, path), path, None, path, place)
    place = workspace.root if workspace else root
    if workspace and workspace.path.rpartition("/")[2].startswith("pnpm-workspace"):
        return Chosen("pnpm", None, workspace.path, None, None, place)
    return Chosen("npm", None, join(root, "package.json"), None, None, place)


def lock_version(source: SourceTree, manager: Manager, path: str) -> str | None:
    """The major version that wrote a lockfile, where its format tells."""
    head = (source.text(path) or "")[:2000]
    if manager == "yarn":
        folder_of = folder(path)
        berry = "__metadata:" in head or join(folder_of, ".yarnrc.yml") in source
        return "4" if berry else "1"
    match = re.search(r"""["']?lockfileVersion["']?\s*:\s*["']?(\d+(?:\.\d+)?)""", head)
    return LOCKFILE_MAJORS.get(manager, {}).get(match[1]) if match else None


def install_command(chosen: Chosen) -> str:
    """What installs exactly what the lockfile says, or, without one, what the ranges admit."""
    locked = chosen.lockfile is not None
    if chosen.name == "npm":
        return "npm ci" if locked else "npm install"
    if chosen.name == "yarn" and chosen.berry:
        return "yarn install --immutable" if locked else "yarn install"
    return f"{chosen.name} install --frozen-lockfile" if locked else f"{chosen.name} install"


def run_script(manager: str, script: str) -> str:
    """`npm run build` and its like."""
    return f"{manager} run {script}"


# The way to a program of an installed package. https://docs.npmjs.com/cli/v11/commands/npx, https://pnpm.io/cli/exec
EXECUTE: dict[str, str] = {"npm": "npx", "pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}


def execute(manager: str, command: str) -> str:
    """The command of an installed package, as typed: `npx next start`, `pnpm exec next start`."""
    return f"{EXECUTE.get(manager, 'npx')} {command}"


# ---------------------------------------------------------------------------------------------- versions

NEWEST = ("latest", "node", "current", "stable", "*", "x", "")
LATEST_LTS = ("lts", "lts/*", "lts-latest", "lts/latest")


def node_version(requested: str) -> VersionValue | None:
    """What is installed for a requested Node version: an exact one as written, a range by the dated table of releases.

    None: the text is not understood, or admits no known release.
    """
    written = " ".join(requested.split())
    if len(written) > MAX_RANGE or re.search(r"\d{10}", written):
        return None
    word = written.lower().removeprefix("nodejs@").removeprefix("node@")
    if word in NEWEST:
        return releases.choose("node", requested, lambda row: True)
    if word in LATEST_LTS:
        return releases.choose("node", requested, lambda row: row.lts is not None)
    codename = word.removeprefix("lts/").removeprefix("lts-")
    for row in releases.TABLES["node"].releases:
        if row.lts is not None and row.lts.lower() == codename:
            return VersionValue(requested, row.name)
    exact = re.fullmatch(r"[v=]? ?(\d{1,3})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?", word)
    if exact and int(exact[1]) > 0:
        return VersionValue(requested, ".".join(part for part in exact.groups() if part is not None))
    return _ranged(requested, word)


def _ranged(requested: str, wanted: str) -> VersionValue | None:
    import nodesemver

    try:
        if not nodesemver.valid_range(wanted, loose=True):
            return None
        found = releases.choose("node", requested, lambda row: _admits(wanted, row.name))
        return found and replace(found, version=_release(wanted, found.version))
    except (ValueError, TypeError, AttributeError, IndexError):
        return None  # the parser gave up: the range says nothing


def _admits(wanted: str, major: str) -> bool:
    """Whether a range admits a release of a major: its first, a late one, or one that the range names."""
    import nodesemver

    probes = [f"{major}.99.99", f"{major}.0.0", *_probes(wanted, major)]
    return any(nodesemver.satisfies(probe, wanted, loose=True) for probe in probes)


def _probes(wanted: str, major: str) -> list[str]:
    """Releases that the range itself names, and the next patch of each: `~22.3.0` admits no 22.0.0."""
    named = re.findall(rf"\b{major}\.(\d{{1,4}})(?:\.(\d{{1,4}}))?", wanted)[:20]
    return [f"{major}.{minor}.{int(patch or 0) + step}" for minor, patch in named for step in (0, 1)]


def _release(wanted: str, major: str) -> str:
    """The major, or the minor release that the range insists on: `~22.3.0` is 22.3."""
    import nodesemver

    if any(nodesemver.satisfies(f"{major}.{probe}", wanted, loose=True) for probe in ("99.99", "0.0")):
        return major
    named = [probe for probe in _probes(wanted, major) if nodesemver.satisfies(probe, wanted, loose=True)]
    return ".".join(named[-1].split(".")[:2]) if named else major


def relative(root: str, path: str) -> str:
    """A path of the source as seen from a root."""
    return posixpath.relpath(path, root)
