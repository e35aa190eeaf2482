"""What a Python project depends on, whichever of the many manifests says it.

One reader for requirements files, pyproject.toml (PEP 621, PEP 735, Poetry, PDM, uv), Pipfile, setup.py, setup.cfg and
conda environments. Nothing is run or fetched; names are compared whole, as PEP 503 normalises them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.source import above, folder, join
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.shape import at, mapping, sequence, text, words

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

RUNTIME: Final = "runtime"
DEV: Final = "dev"

# lockfile -> package manager
LOCKFILES: Final = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pipenv"}
CONDA_FILES: Final = ("environment.yml", "environment.yaml")

# Folders whose Python files belong to no application of their own.
SIDE_FOLDERS: Final = frozenset(
    [
        "tests",
        "test",
        "testing",
        "docs",
        "doc",
        "examples",
        "example",
        "samples",
        "demo",
        "demos",
        "e2e",
        "fixtures",
        "benchmarks",
        "scripts",
        "script",
        "tools",
        "bin",
        "ci",
        "notebooks",
        "migrations",
        "alembic",
        "versions",
        "node_modules",
        "site-packages",
        "venv",
        ".venv",
        "env",
        "vendor",
        "dist",
        "build",
        "__pycache__",
        ".github",
        ".tox",
        ".nox",
        ".eggs",
    ]
)
ENTRY_NAMES: Final = (
    "main",
    "app",
    "server",
    "wsgi",
    "asgi",
    "application",
    "api",
    "run",
    "bot",
    "start",
    "index",
    "web",
)

# What a requirements file's name says about its purpose; any other name is runtime only if nothing better is there.
_DEV_WORDS = frozenset(
    [
        "dev",
        "develop",
        "development",
        "test",
        "tests",
        "testing",
        "doc",
        "docs",
        "lint",
        "linting",
        "ci",
        "local",
        "style",
        "typing",
        "mypy",
        "build",
        "optional",
        "extras",
        "debug",
        "tools",
        "benchmark",
    ]
)
_RUNTIME_FILES = ("production", "prod", "deploy", "live", "base", "common", "main", "requirements", "app", "web")
_DEV_GROUPS = _DEV_WORDS | {"all", "typecheck", "types", "pre-commit", "notebook", "notebooks", "release", "coverage"}

_MAX_INCLUDES = 50
_MAX_LINE = 4096
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRAS = re.compile(r"\[([^\]]*)\]")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")
_INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s+|=|(?=\S))(.+)")
_QUOTED_OR_KEY = re.compile(r"(?:^\s*|[\[,]\s*|=\s*)[\"']?([A-Za-z0-9][A-Za-z0-9._-]*)")


class Dependency(NamedTuple):
    """One requirement. `name` is normalised (PEP 503); `group` is "runtime", "dev" or the name of an extra or group."""

    name: str
    specifier: str
    group: str
    path: str
    line: int | None
    extras: tuple[str, ...] = ()
    url: bool = False
    vcs: bool = False


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it. https://peps.python.org/pep-0503/#normalized-names"""
    return re.sub(r"[-_.]+", "-", name).lower()


def roots(source: SourceTree) -> list[str]:
    """Folders that a Python project lies in: those with a manifest, then those of entry files outside of any."""
    return list(once(source, "python roots", lambda: _roots(source)))


def has_manifest(source: SourceTree, root: str) -> bool:
    """Whether a Python manifest that names a project or dependencies stands in this very folder."""
    return bool(_manifest_files(source, root))


def dependencies(source: SourceTree, root: str) -> dict[str, Dependency]:
    """All direct dependencies of a root by normalised name; of several mentions the runtime one, then the first."""
    found: dict[str, Dependency] = {}
    for dependency in everything(source, root):
        known = found.get(dependency.name)
        if known is None or (known.group != RUNTIME and dependency.group == RUNTIME):
            found[dependency.name] = dependency
        elif dependency.extras and dependency.group == known.group:
            extras = tuple(sorted({*known.extras, *dependency.extras}))
            found[dependency.name] = known._replace(extras=extras)
    return found


def runtime(source: SourceTree, root: str) -> dict[str, Dependency]:
    """The dependencies that production installs: all but those of a development group or file."""
    return {name: found for name, found in dependencies(source, root).items() if found.group == RUNTIME}


def everything(source: SourceTree, root: str) -> list[Dependency]:
    """Every mention of a dependency in a root's manifests, in the order of reading."""
    return list(once(source, f"python dependencies {root}", lambda: tuple(_everything(source, root))))


def requirements_file(source: SourceTree, root: str) -> str | None:
    """The requirements file that production installs, relative to the root, or None."""
    files = _requirements_files(source, root)
    chosen = next((path for path, group in files if group == RUNTIME), None)
    return None if chosen is None else inside(root, chosen)


def pyproject(source: SourceTree, root: str) -> Mapping[str, object]:
    """The parsed pyproject.toml of a root, or an empty table."""
    return source.toml(join(root, "pyproject.toml")) or {}


def table(document: object, *keys: str) -> Mapping[str, object]:
    """The table at these keys of a manifest, or an empty one."""
    return mapping(at(document, *keys))


def inside(root: str, path: str) -> str:
    """A path as seen from the root that it lies in."""
    return path if root == "." else path.removeprefix(root + "/")


def workspace(source: SourceTree, root: str) -> str | None:
    """The uv workspace's folder that this root is a member of (not the workspace's own folder), or None."""
    from fnmatch import fnmatchcase

    for upper in above(root)[1:]:
        rule = table(pyproject(source, upper), "tool", "uv", "workspace")
        place = inside(upper, root)
        if any(fnmatchcase(place, pattern.strip("/")) for pattern in words(rule.get("members"))):
            return None if any(fnmatchcase(place, p) for p in words(rule.get("exclude"))) else upper
    return None


def parse(requirement: str, group: str, path: str, line: int | None) -> Dependency | None:
    """One PEP 508 requirement (or pip's URL forms of one); None if it names nothing, or isn't for Linux."""
    requirement = requirement.strip()[:_MAX_LINE]
    egg = _EGG.search(requirement)
    if requirement.startswith(("git+", "hg+", "svn+", "bzr+", "http://", "https://", "file:")):
        name = egg[1] if egg else _name_of_url(requirement)
        vcs = not requirement.startswith(("http", "file"))
        return Dependency(normalised(name), "", group, path, line, (), True, vcs) if name else None
    match = _NAME.match(requirement)
    if match is None or requirement.startswith(("./", "../", "/")):
        return None
    rest = requirement[match.end() :].strip()
    extras: tuple[str, ...] = ()
    if listed := _EXTRAS.match(rest):
        extras = tuple(sorted(normalised(extra.strip()) for extra in listed[1].split(",") if extra.strip()))
        rest = rest[listed.end() :].strip()
    specifier, _, marker = rest.partition(";")
    specifier = re.split(r"\s--", specifier, maxsplit=1)[0]
    if marker and not _for_linux(marker):
        return None
    if "/" in specifier and not specifier.startswith("@"):  # a path such as "libs/thing", not a requirement
        return None
    url = specifier.startswith("@")
    cleaned = "" if url else re.sub(r"\s+", "", specifier).strip("()")
    vcs = url and bool(re.match(r"@\s*(?:git|hg|svn|bzr)\+", specifier))
    return Dependency(normalised(match[1].rstrip("-._")), cleaned, group, path, line, extras, url, vcs)


# ---------------------------------------------------------------------------------------------- roots


def _roots(source: SourceTree) -> tuple[str, ...]:
    manifests = {root for root in _manifest_folders(source) if _manifest_files(source, root)}
    entries = set()
    for path in source.files:
        stem, dot, ending = path.rpartition("/")[2].rpartition(".")
        if dot and ending == "py" and (stem in ENTRY_NAMES or stem == "manage"):
            root = _import_root(source, folder(path))
            if not manifests.intersection(above(root)) and not SIDE_FOLDERS.intersection(root.split("/")):
                entries.add(root)
    outermost = {root for root in entries if not entries.intersection(above(root)[1:])}
    if entries and not outermost.issuperset(entries):  # a `.`-level script doesn't swallow services that stand below
        outermost |= {root for root in entries if any(p in source for p in _server_files(root))}
    return tuple(sorted(manifests | outermost, key=lambda root: (0 if root == "." else root.count("/") + 1, root)))


def _server_files(root: str) -> list[str]:
    return [join(root, "manage.py"), join(root, "Dockerfile")]


def _import_root(source: SourceTree, place: str) -> str:
    """The folder above a package: imports start there."""
    while place != "." and join(place, "__init__.py") in source:
        place = folder(place)
    return place


def _manifest_folders(source: SourceTree) -> set[str]:
    names = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg", *LOCKFILES, *CONDA_FILES)
    found = {folder(path) for path in source.named(*names)}
    for path in source.files:
        name = path.rpartition("/")[2].lower()
        if name.endswith((".txt", ".in")):
            place = folder(path)
            if "requirement" in name and not _in_requirements_folder(path):
                found.add(place)
            elif _in_requirements_folder(path):
                found.add(folder(place))
    return {root for root in found if not {"node_modules", "site-packages", ".venv", "venv"} & set(root.split("/"))}


def _in_requirements_folder(path: str) -> bool:
    return folder(path).rpartition("/")[2] in ("requirements", "reqs", "requirement")


def _manifest_files(source: SourceTree, root: str) -> list[str]:
    found = [path for path, _ in _requirements_files(source, root)]
    document = pyproject(source, root)
    tools = table(document, "tool")
    if any(key in document for key in ("project", "dependency-groups")) or any(
        key in tools for key in ("poetry", "pdm", "uv")
    ):
        found.append(join(root, "pyproject.toml"))
    for name in ("Pipfile", "setup.py", *LOCKFILES):
        if join(root, name) in source:
            found.append(join(root, name))
    if (path := join(root, "setup.cfg")) in source and b"[options]" in (source.bytes(path) or b""):
        found.append(path)
    found += [join(root, name) for name in CONDA_FILES if b"dependencies" in (source.bytes(join(root, name)) or b"")]
    return found


# ---------------------------------------------------------------------------------------------- reading


def _everything(source: SourceTree, root: str) -> Iterator[Dependency]:
    yield from _requirements(source, root)
    yield from _pyproject(source, root)
    yield from _pipfile(source, root)
    yield from _setup_py(source, root)
    yield from _setup_cfg(source, root)
    yield from _conda(source, root)


def _requirements_files(source: SourceTree, root: str) -> list[tuple[str, str]]:
    """(path, group) of a root's requirements files, the production one first."""
    found: list[tuple[tuple[int, int, str], str, str]] = []
    for path in source.below(root):
        place = inside(root, path)
        name = place.rpartition("/")[2]
        stem, _, ending = name.lower().rpartition(".")
        if ending not in ("txt", "in") or place.count("/") > 1:
            continue
        apart = "/" in place
        if apart and not (_in_requirements_folder(path)):
            continue
        if not apart and "requirement" not in stem:
            continue
        parts = [
            word for word in re.split(r"[-_.]", stem) if word and word not in ("requirements", "requirement", "txt")
        ]
        if stem in ("constraints", "constraint"):
            continue
        plain = stem in ("requirements", "requirement")
        dev = bool(_DEV_WORDS.intersection(parts))
        rank = next(
            (i for i, word in enumerate(_RUNTIME_FILES) if word in parts or (plain and word == "requirements")), 99
        )
        if plain and not apart:
            rank = -1
        found.append(((rank if not dev else 1000, ending != "txt", path), path, DEV if dev else RUNTIME))
    return [(path, group) for _, path, group in sorted(found)]


def _requirements(source: SourceTree, root: str) -> Iterator[Dependency]:
    seen: set[str] = set()
    for path, group in _requirements_files(source, root):
        # A second runtime file (say requirements-gpu.txt beside requirements.txt) isn't what production installs.
        main = group == RUNTIME and not seen
        yield from _requirements_of(source, path, RUNTIME if main or _is_source_of(path, seen) else DEV, seen)


def _is_source_of(path: str, seen: set[str]) -> bool:
    return path.endswith(".in") and path[:-3] + ".txt" in seen


def _requirements_of(source: SourceTree, path: str, group: str, seen: set[str]) -> Iterator[Dependency]:
    waiting = [path]
    while waiting and len(seen) < _MAX_INCLUDES:
        path = waiting.pop(0)
        if path in seen or path not in source:
            continue
        seen.add(path)
        for number, line in _logical_lines(source.text(path) or ""):
            if include := _INCLUDE.match(line):
                included = confined(folder(path), include[1].strip().strip("\"'"))
                if included is not None:
                    waiting.append(included)
            elif line.startswith(("-e", "--editable")):
                requirement = re.sub(r"^(?:-e|--editable)[\s=]*", "", line)
                if found := parse(requirement, group, path, number):
                    yield found
            elif not line.startswith("-") and (found := parse(line, group, path, number)):
                yield found


def confined(place: str, path: str) -> str | None:
    """A relative path seen from a folder of the source, as a path of the source; None if it leaves the source."""
    if not path or path.startswith(("/", "~")) or "://" in path or "\\" in path or "\0" in path:
        return None
    parts = [] if place == "." else place.split("/")
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or None


def _logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Lines joined over a final backslash, without comments; (number of the first, text)."""
    start, joined = 0, ""
    for number, line in enumerate(content.splitlines(), 1):
        start = start if joined else number
        bare = "" if line.lstrip().startswith("#") else re.split(r"\s#", line, maxsplit=1)[0]
        if bare.rstrip().endswith("\\") and len(joined) < _MAX_LINE:
            joined += bare.rstrip()[:-1] + " "
            continue
        joined = (joined + bare).strip()
        if joined:
            yield start, joined
        joined = ""
    if joined.strip():
        yield start, joined.strip()


def _pyproject(source: SourceTree, root: str) -> Iterator[Dependency]:
    path = join(root, "pyproject.toml")
    document = pyproject(source, root)
    if not document:
        return
    lines = _line_index(source.text(path) or "")
    for group, requirement in _pyproject_requirements(document):
        if found := parse(requirement, group, path, None):
            yield found._replace(line=lines.get(found.name))


def _pyproject_requirements(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    project = table(document, "project")
    yield from ((RUNTIME, item) for item in words(project.get("dependencies")))
    for extra, items in table(project, "optional-dependencies").items():
        yield from ((_group(extra), item) for item in words(items))
    for name, items in table(document, "dependency-groups").items():
        yield from ((_group(name), item) for item in words(items))
    yield from ((DEV, item) for item in words(table(document, "tool", "uv").get("dev-dependencies")))
    for items in table(document, "tool", "pdm", "dev-dependencies").values():
        yield from ((DEV, item) for item in words(items))
    poetry = table(document, "tool", "poetry")
    yield from ((RUNTIME, item) for item in _poetry(table(poetry, "dependencies")))
    yield from ((DEV, item) for item in _poetry(table(poetry, "dev-dependencies")))
    for name, rule in table(poetry, "group").items():
        optional = table(rule).get("optional") is True
        group = _group(name) if optional or _group(name) == DEV else RUNTIME if name == "main" else name
        yield from ((group, item) for item in _poetry(table(rule, "dependencies")))


def _group(name: str) -> str:
    return DEV if normalised(name) in _DEV_GROUPS else normalised(name)


def _poetry(rules: Mapping[str, object]) -> Iterator[str]:
    """Poetry's and Pipenv's tables (name = "^1.2" or {version, extras, git, markers}) as requirements."""
    for name, rule in rules.items():
        if normalised(name) == "python":
            continue
        first = next(iter(sequence(rule)), rule)
        extras = ",".join(words(at(first, "extras")))
        version = text(first) or text(at(first, "version")) or ""
        if "git" in table(first) or "url" in table(first):
            git = text(at(first, "git"))
            yield f"{name}[{extras}] @ git+{git}" if git else f"{name}[{extras}] @ {text(at(first, 'url')) or ''}"
            continue
        specifier = version if version[:1] in "<>=!~^" else f"=={version}" if version not in ("", "*") else ""
        marker = text(at(first, "markers"))
        yield f"{name}[{extras}]{'' if specifier == '*' else specifier}" + (f"; {marker}" if marker else "")


def _pipfile(source: SourceTree, root: str) -> Iterator[Dependency]:
    path = join(root, "Pipfile")
    document = source.toml(path) or {}
    lines = _line_index(source.text(path) or "") if document else {}
    for key, group in (("packages", RUNTIME), ("dev-packages", DEV)):
        for requirement in _poetry(table(document, key)):
            if found := parse(requirement, group, path, None):
                yield Dependency(
                    found.name, found.specifier, group, path, lines.get(found.name), found.extras, found.url
                )


def _setup_py(source: SourceTree, root: str) -> Iterator[Dependency]:
    import ast

    path = join(root, "setup.py")
    if path not in source or (tree := source.python(path)) is None:
        return
    lists = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _called(call.func) != "setup":
            continue
        for keyword in call.keywords:
            value = lists.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
            if keyword.arg == "install_requires" and isinstance(value, (ast.List, ast.Tuple)):
                for item in value.elts:
                    if (
                        isinstance(item, ast.Constant)
                        and isinstance(item.value, str)
                        and (found := parse(item.value, RUNTIME, path, item.lineno))
                    ):
                        yield found


def _called(function: object) -> str:
    import ast

    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _setup_cfg(source: SourceTree, root: str) -> Iterator[Dependency]:
    path = join(root, "setup.cfg")
    section = key = ""
    for number, line in enumerate((source.text(path) or "").splitlines(), 1):
        bare = line.split("#", 1)[0].rstrip()
        if not bare.strip():
            continue
        if bare.startswith("["):
            section, key = bare.strip("[] "), ""
        elif not bare[0].isspace():
            key, _, value = bare.partition("=")
            key = key.strip()
            bare = value
        if section == "options" and key == "install_requires" and (found := parse(bare, RUNTIME, path, number)):
            yield found


def _conda(source: SourceTree, root: str) -> Iterator[Dependency]:
    for name in CONDA_FILES:
        path = join(root, name)
        if path not in source:
            continue
        items = sequence(at(source.yaml(path), "dependencies"))
        lines = _line_index((source.text(path) or "").replace("- ", "  "))
        for item in items:
            for requirement in [item] if isinstance(item, str) else words(at(item, "pip")):
                requirement = requirement.rpartition("::")[2]
                found = parse(re.sub(r"(?<![=<>!~])=(?!=)", "==", requirement, count=1), RUNTIME, path, None)
                if found and found.name not in ("python", "pip"):
                    yield found._replace(line=lines.get(found.name))


def _line_index(content: str) -> dict[str, int]:
    """Normalised name -> line of its first mention as a key, or at the start of a quoted text."""
    found: dict[str, int] = {}
    started = False
    for number, line in enumerate(content.splitlines(), 1):
        started = started or "dependencies" in line or "packages" in line
        bare = line.split("#", 1)[0][:_MAX_LINE]
        for match in _QUOTED_OR_KEY.finditer(bare) if started else ():
            found.setdefault(normalised(match[1].rstrip("-._")), number)
    return found


def _for_linux(marker: str) -> bool:
    """Whether a marker can hold on the Linux machines that applications are deployed to."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    if not re.search(r"platform|os_name", marker):
        return True  # versions of Python and extras: what they exclude is still used on another version
    try:
        return Marker(marker.strip()[:500]).evaluate(
            {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
        )
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return True


def _name_of_url(requirement: str) -> str:
    """The likely name behind a URL: a wheel's, an archive's or a repository's last part."""
    last = requirement.split("#")[0].split("?")[0].rstrip("/").rpartition("/")[2].split("@")[0]
    last = re.sub(r"\.(?:git|whl|zip|tar\.gz|tgz)$", "", last)
    match = _NAME.match(re.split(r"-\d", last, maxsplit=1)[0])
    return match[1] if match else ""
