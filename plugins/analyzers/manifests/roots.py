"""Which folders hold code of their own: a table of the manifests of all languages."""

from autostack.core.source import SourceTree, folder, join
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.shape import at

# file name -> toolchain
MANIFESTS: dict[str, str] = {
    "package.json": "node", "deno.json": "deno", "deno.jsonc": "deno", "pyproject.toml": "python", "setup.py": "python",
    "requirements.txt": "python", "Pipfile": "python", "environment.yml": "python", "manage.py": "python",
    "Gemfile": "ruby", "composer.json": "php", "go.mod": "go", "pom.xml": "java", "build.gradle": "java",
    "build.gradle.kts": "java", "build.sbt": "java", "Cargo.toml": "rust", "mix.exs": "elixir", "pubspec.yaml": "dart",
    "Package.swift": "swift", "shard.yml": "crystal", "gleam.toml": "gleam", "rebar.config": "erlang",
    "stack.yaml": "haskell", "CMakeLists.txt": "cpp", "build.zig": "zig", "project.clj": "java",
}  # fmt: skip
SUFFIXES: dict[str, str] = {".csproj": "dotnet", ".fsproj": "dotnet", ".vbproj": "dotnet", ".cabal": "haskell"}


def toolchains(source: SourceTree) -> dict[str, frozenset[str]]:
    """All folders with a manifest, and the toolchains whose manifests they have."""
    return once(source, "roots.toolchains", lambda: _toolchains(source))


def has_manifest(source: SourceTree, root: str) -> bool:
    """Whether a folder has a manifest of any language."""
    return root in toolchains(source)


def directly_in(source: SourceTree, root: str) -> list[str]:
    """The files of one folder, without those of the folders below it."""
    return once(source, "roots.directly_in", lambda: _by_folder(source)).get(root, [])


def _by_folder(source: SourceTree) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in source.files:
        found.setdefault(folder(path), []).append(path)
    return found


def named(source: SourceTree) -> dict[str, str]:
    """The folders with a manifest, by the name that the manifest gives them or by their own; shallow ones win."""
    return once(source, "roots.named", lambda: _named(source))


def _named(source: SourceTree) -> dict[str, str]:
    found: dict[str, str] = {}
    for root in sorted(toolchains(source), key=lambda root: (root.count("/"), root)):
        package, project = source.json(join(root, "package.json")), source.toml(join(root, "pyproject.toml"))
        said = (at(package, "name"), at(project, "project", "name"), at(project, "tool", "poetry", "name"))
        for name in (*said, root.rpartition("/")[2]):
            if isinstance(name, str) and name not in ("", "."):
                found.setdefault(name.rpartition("/")[2].lower(), root)
    return found


def _toolchains(source: SourceTree) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for path in source.files:
        name = path.rpartition("/")[2]
        toolchain = MANIFESTS.get(name) or next((t for end, t in SUFFIXES.items() if name.endswith(end)), None)
        if toolchain:
            found.setdefault(folder(path), set()).add(toolchain)
    return {root: frozenset(names) for root, names in found.items()}
