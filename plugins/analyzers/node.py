"""Node.js: what package.json, lockfiles and version files say: language, versions, commands, processes.

Frameworks that are started by a program of their own (Next.js, Nuxt, NestJS …) are read here too; servers written
with a library are `express.py`'s, bundled pages `vite.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autostack.core import Claim, Evidence, Finding, Service, SourceTree, VersionValue, hookimpl, roles
from autostack.core.roots import is_aside
from autostack.core.source import above, join
from autostack.core.strengths import Strength
from autostack.plugins.analyzers.manifests import (
    dockerfiles,
    images,
    javascript_output,
    node,
    node_build,
    node_migrations,
    nx,
    releases,
)
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests.shape import at, first, mapping, text

# Manifests of a language that has the last word where package.json only builds its assets.
BACKENDS = (
    "manage.py", "pyproject.toml", "requirements.txt", "Pipfile", "setup.py", "Gemfile", "composer.json", "artisan",
    "go.mod", "mix.exs", "pom.xml", "build.gradle", "build.gradle.kts", "Cargo.toml",
)  # fmt: skip

# npm package -> Debian packages that it needs, and when. Packages with complete prebuilt binaries (sharp, bcrypt,
# better-sqlite3) need none.
SYSTEM_PACKAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "prisma": (("openssl", "run"),),
    "@prisma/client": (("openssl", "run"),),
    "puppeteer": (("chromium", "run"),),
    "puppeteer-core": (("chromium", "run"),),
    "playwright-chromium": (("chromium", "run"),),
    "fluent-ffmpeg": (("ffmpeg", "run"),),
    "canvas": (("build-essential", "build"), ("libcairo2-dev", "build"), ("libpango1.0-dev", "build"),
               ("libjpeg-dev", "build"), ("libgif-dev", "build"), ("librsvg2-dev", "build"), ("libcairo2", "run"),
               ("libpangocairo-1.0-0", "run"), ("libgif7", "run"), ("librsvg2-2", "run")),
    "gm": (("graphicsmagick", "run"),),
    "imagemagick": (("imagemagick", "run"),),
    "pdf-poppler": (("poppler-utils", "run"),),
    "node-poppler": (("poppler-utils", "run"),),
}  # fmt: skip

# Scripts that run beside the web process, by name.
WORKER_WORDS = ("worker", "workers", "queue", "queues", "consumer", "consumers", "scheduler", "cron", "jobs")
PLANNERS = ("scheduler", "cron")
MAX_WORKERS = 10

MAX_DOCKERFILES = 20
VERSION_FILES = (".nvmrc", ".node-version")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """What each package.json, and the files beside it, say."""
    claims: list[Claim | Finding] = []
    spaces = node.workspaces(source)
    for found in node.packages(source):
        chosen = node.chosen_manager(source, found.root)
        space = spaces.get(found.root)
        claims += _toolchain(source, found, chosen)
        claims += _versions(source, found)
        claims += _system_packages(found)
        over_others = bool(space and space.members) or any(app.top == found.root for app in nx.applications(source))
        if over_others and not _is_app(source, found):
            continue
        row = frameworks.framework(source, found)
        claims += _identity(source, found)
        claims += _members_used(source, found)
        claims += _processes(source, found, chosen, row)
        claims += _findings(source, found, chosen, row)
    for root, entry in frameworks.lone_programs(source):
        claims += _lone(root, entry)
    return claims


@hookimpl
def service_detected(service: Service, source: SourceTree) -> list[Claim]:
    """The commands again, should another package manager have been decided on than the files alone suggest."""
    found = node.package(source, service.root)
    decided = next((t.package_manager for t in service.toolchains if t.name in ("node", "bun")), None)
    manager = next((name for name in node.MANAGERS if name == decided), None)
    if found is None or manager is None:
        return []
    chosen = node.chosen_manager(source, found.root)
    if chosen.name == manager:
        return []
    lock = next((path for name, path in node.lockfiles(source, chosen.root) if name == manager), None)
    version = node.lock_version(source, manager, lock) if lock else None
    other = node.Chosen(manager, version, lock or found.path, None, lock, chosen.root)
    evidence = [Evidence(found.path, None, f"installed with {manager}")]
    prefix = frameworks.toolchain(source, found)
    claims = [Claim(found.root, f"{prefix}.install_command", node.install_command(other), "manifest", evidence)]
    build = _build(source, found, other)
    if build:
        claims.append(Claim(found.root, f"{prefix}.build_command", build[0], "manifest", evidence))
    return claims


# ---------------------------------------------------------------------------------------------- toolchain


def _toolchain(source: SourceTree, found: node.Package, chosen: node.Chosen) -> Iterator[Claim]:
    root, prefix = found.root, frameworks.toolchain(source, found)
    declared = node.declared_manager(found)
    locks = node.lockfiles(source, chosen.root)
    known = declared is not None or bool(locks)
    strength: Strength = "declared" if declared else "manifest" if known else "convention"
    reason = (
        "packageManager"
        if declared
        else "lockfile"
        if locks
        else "workspace"
        if chosen.root != root
        else "npm, by default"
    )
    if chosen.root == root or not known:
        yield Claim(
            root, f"{prefix}.package_manager", chosen.name, strength, [Evidence(chosen.path, chosen.line, reason)]
        )
    elif chosen.root != root:
        yield Claim(
            root, f"{prefix}.package_manager", chosen.name, "manifest", [Evidence(chosen.path, chosen.line, reason)]
        )
    for manager, path in locks:
        if manager != chosen.name and chosen.root == root:
            yield Claim(root, f"{prefix}.package_manager", manager, "manifest", [Evidence(path, None, "lockfile")])
    if chosen.version:
        yield Claim(
            root,
            f"{prefix}.package_manager_version",
            chosen.version,
            "manifest",
            [Evidence(chosen.path, chosen.line, reason)],
        )
    if chosen.root != root:
        yield Claim(
            root, f"{prefix}.root", chosen.root, "manifest", [Evidence(chosen.path, chosen.line, "workspace root")]
        )
    evidence = Evidence(chosen.lockfile or chosen.path, None, f"{chosen.name} installs from here")
    yield Claim(root, f"{prefix}.install_command", node.install_command(chosen), "convention", [evidence])
    build = _build(source, found, chosen)
    if build:
        yield Claim(root, f"{prefix}.build_command", build[0], "convention", [Evidence(found.path, build[1], build[2])])


def _build(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, int | None, str] | None:
    """The build command; with what it needs where a recent Node.js runs a builder that is older than that."""
    build = node_build.command(source, found, chosen)
    if build is None or not node_build.needs_old_hashes(found) or _wants_old_node(source, found):
        return build
    before = f"export {node_build.OLD_HASHES} &&" if "&&" in build[0] else node_build.OLD_HASHES
    return f"{before} {build[0]}", build[1], build[2]


def _wants_old_node(source: SourceTree, found: node.Package) -> bool:
    """Whether anything asks for a Node.js before 17, whose hashes webpack 4 can use."""
    wanted = [requested for requested, _, _ in (*_version_files(source, found.root), *_manifest_versions(found))]
    wanted += [one[1] for one in (node_build.newest_for_sass(found),) if one]
    for path in dockerfiles.dockerfiles(source)[:MAX_DOCKERFILES]:
        parsed = dockerfiles.dockerfile(source, path)
        known = [images.runtime(stage.image) for stage in parsed.images()] if parsed else []
        wanted += [one[1] for one in known if one and one[0] == "node" and one[1]]
    versions = (node.node_version(requested) for requested in wanted)
    return any(int(value.version.partition(".")[0]) < 17 for value in versions if value)


def _versions(source: SourceTree, found: node.Package) -> Iterator[Claim | Finding]:
    """Every place that says which Node, or Bun, this package wants."""
    if frameworks.toolchain(source, found) == "bun":
        yield from _bun_version(source, found)
        return
    said = [*_version_files(source, found.root), *_manifest_versions(found)]
    sass = node_build.newest_for_sass(found)
    if not said and sass:
        line = found.dependencies["node-sass"].line
        evidence = Evidence(found.path, line, "node-sass is compiled for this version at most")
        yield Claim(found.root, "node.version", VersionValue(sass[0], sass[1]), "convention", [evidence])
    elif not said:
        yield Claim(
            found.root, "node.version", releases.default("node"), "guess", [Evidence(found.path, None, "default")]
        )
    for requested, strength, evidence in said:
        value = node.node_version(requested)
        if value is None:
            continue
        yield Claim(found.root, "node.version", value, strength, [evidence])
        if not releases.TABLES["node"].supported(value.version):
            yield Finding(
                "eol-runtime", "high", evidence.path, evidence.line,
                f"Node.js {value.version} gets no security fixes",
                f"Move to Node.js {releases.TABLES['node'].default}",
            )  # fmt: skip


def _bun_version(source: SourceTree, found: node.Package) -> Iterator[Claim]:
    """`.bun-version`, else `packageManager`, else Bun's only major."""
    path = next((join(up, ".bun-version") for up in above(found.root) if join(up, ".bun-version") in source), None)
    written = (source.text(path) or "").strip() if path else ""
    declared = node.declared_manager(found)
    said: list[tuple[str | None, Strength, Evidence]] = [(None, "guess", Evidence(found.path, None, "default"))]
    if path and re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,2}", written):
        said.insert(0, (written, "declared", Evidence(path, 1, ".bun-version")))
    if declared and declared[1] and re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,2}", declared[1]):
        said.insert(0, (declared[1], "manifest", Evidence(found.path, found.line("packageManager"), "packageManager")))
    for version, strength, evidence in said[: max(1, len(said) - 1)]:
        yield Claim(found.root, "bun.version", VersionValue(version, version or "1"), strength, [evidence])


Said = tuple[str, Strength, Evidence]


def _version_files(source: SourceTree, root: str) -> Iterator[Said]:
    for name in VERSION_FILES:
        path = next((join(up, name) for up in above(root) if join(up, name) in source), None)
        for number, line in enumerate((source.text(path) or "").splitlines()[:20] if path else (), 1):
            written = line.partition("#")[0].strip()
            if written and path:
                yield written, "declared", Evidence(path, number, name)
                break
    path = next((join(up, ".tool-versions") for up in above(root) if join(up, ".tool-versions") in source), None)
    for number, line in enumerate((source.text(path) or "").splitlines()[:200] if path else (), 1):
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] in ("nodejs", "node") and path:
            yield words[1], "declared", Evidence(path, number, ".tool-versions")
    for name in ("mise.toml", ".mise.toml"):
        path = next((join(up, name) for up in above(root) if join(up, name) in source), None)
        tools = mapping(at(source.toml(path), "tools")) if path else {}
        wanted = tools.get("node", tools.get("nodejs"))
        version = first([wanted, at(wanted, "version"), *(wanted if isinstance(wanted, list | tuple) else ())])
        if version and path:
            yield version, "declared", Evidence(path, source.line(path, "node"), name)


def _manifest_versions(found: node.Package) -> Iterator[Said]:
    for keys in (("engines", "node"), ("volta", "node")):
        written = text(at(found.raw, *keys))
        if written:
            yield written, "manifest", Evidence(found.path, found.line(".".join(keys)), ".".join(keys))
    runtime = mapping(at(found.raw, "devEngines", "runtime"))
    if runtime.get("name") == "node" and text(runtime.get("version")):
        yield str(runtime["version"]), "manifest", Evidence(found.path, found.line("devEngines"), "devEngines.runtime")


def _system_packages(found: node.Package) -> Iterator[Claim]:
    for name, dependency in found.dependencies.items():
        if dependency.group not in ("runtime", "optional") and name not in ("prisma",):
            continue
        for package, phase in SYSTEM_PACKAGES.get(name, ()):
            evidence = [Evidence(found.path, dependency.line, f"{name} needs it")]
            yield Claim(found.root, f"system_packages.{package}", phase, "convention", evidence)


# ---------------------------------------------------------------------------------------------- identity and processes


def _is_app(source: SourceTree, found: node.Package) -> bool:
    """Whether a workspace's root is an application of its own, and not only the place that runs its members."""
    script = node.resolved(found.scripts, "start")
    if script and not frameworks.runs_members(script) and not frameworks.is_development(script):
        return True
    row = frameworks.framework(source, found)
    if row is None or script:
        return False
    return row.name == "redwood" or frameworks.server_entry(source, found) is not None


def _is_asset_build(source: SourceTree, found: node.Package) -> bool:
    """Whether package.json only builds the assets of another language's application in the same folder."""
    if not any(join(found.root, name) in source for name in BACKENDS):
        return False
    row = frameworks.framework(source, found)
    return row is None or (row.kind == "static" and row.name in ("vite", "parcel", "webpack", "rsbuild", "rspack"))


def _identity(source: SourceTree, found: node.Package) -> Iterator[Claim]:
    if _is_asset_build(source, found):
        return
    evidence = [Evidence(found.path, found.line("name"), "package.json")]
    if found.name:
        name = found.name.rpartition("/")[2]
        if name:
            yield Claim(found.root, "name", name, "manifest", evidence)
    yield Claim(
        found.root, "language", language(source, found.root), "manifest", [Evidence(found.path, None, "package.json")]
    )
    libraries = sorted({frameworks.LIBRARY_NAMES.get(name, name) for name in frameworks.LIBRARIES if found.has(name)})
    if libraries:
        line = found.line("dependencies")
        yield Claim(found.root, "libraries", libraries, "manifest", [Evidence(found.path, line, "dependencies")])


def _members_used(source: SourceTree, found: node.Package) -> Iterator[Claim]:
    """The packages of the same workspace that a package depends on: what they need, it needs too."""
    space = node.workspace_of(source, found.root)
    members = [node.package(source, root) for root in space.members] if space else []
    used = sorted(m.root for m in members if m and m.name and m.root != found.root and found.has(m.name))
    if used:
        line = found.line("dependencies")
        yield Claim(found.root, "uses", used, "manifest", [Evidence(found.path, line, "workspace dependencies")])


def language(source: SourceTree, root: str) -> str:
    """typescript if the folder (or one above) has a tsconfig and the folder has .ts sources, else javascript."""
    configured = any(join(up, name) in source for up in above(root) for name in ("tsconfig.json", "tsconfig.base.json"))
    typed = any(
        p.endswith((".ts", ".tsx", ".mts", ".vue")) and not p.endswith((".d.ts", "vite.config.ts"))
        for p in source.below(root)
    )
    return "typescript" if configured and typed else "javascript"


def _processes(
    source: SourceTree, found: node.Package, chosen: node.Chosen, row: frameworks.Framework | None
) -> Iterator[Claim]:
    root = found.root
    if _is_asset_build(source, found) or found.has(*frameworks.FUNCTION_PACKAGES):
        return
    if row and row.kind == "meta":
        yield Claim(root, "framework", row.name, "manifest", [_dependency(found, row)])
        static = javascript_output.static_output(source, found, row)
        if static:
            yield Claim(root, "static_dir", static[0], "convention", [static[1]])
            yield Claim(root, f"{frameworks.toolchain(source, found)}.output_dir", static[0], "convention", [static[1]])
            return
    if row and row.kind == "static":
        return
    start = _start(source, found, chosen, row)
    if start:
        command, strength, evidence = start
        kind = "web" if row else _kind(found)
        name = "web" if kind == "web" else kind if kind == "worker" else "main"
        yield Claim(root, f"processes.{name}.kind", kind, "convention", [evidence])
        yield Claim(root, f"processes.{name}.command", command, strength, [evidence])
        fixed = _port(found, row)
        if fixed:
            yield Claim(root, "port", fixed, "manifest", [evidence])
        elif row and row.kind == "meta" and row.port:
            yield Claim(root, "port", row.port, "convention", [_dependency(found, row)])
            yield Claim(root, "port_env", "PORT", "convention", [_dependency(found, row)])
    if start or row:
        yield from _workers(found, chosen)
        yield from _release(source, found, chosen)


_PORT = re.compile(r"(?:^|\s)PORT=(\d{2,5})\s")


def _port(found: node.Package, row: frameworks.Framework | None) -> int | None:
    """The port that the start script itself names: `next start -p 8001`, `PORT=4001 node server.js`."""
    script = frameworks.production_script(found, row.scripts if row else ("start",))
    text = node.resolved(found.scripts, script) if script else None
    for step in (text or "").split("&&"):
        match = _PORT.search(step)
        port = int(match[1]) if match else roles.listens_on(" ".join(frameworks.steps(step)[0] if step.strip() else []))
        if port and port < 65_536:
            return port
    return None


def _dependency(found: node.Package, row: frameworks.Framework) -> Evidence:
    name = next(name for name in row.packages if name in found.dependencies)
    return Evidence(found.path, found.dependencies[name].line, f"depends on {name}")


def _start(
    source: SourceTree, found: node.Package, chosen: node.Chosen, row: frameworks.Framework | None
) -> tuple[str, Strength, Evidence] | None:
    """How the package's program is started, typed in its folder."""
    script = frameworks.production_script(found, row.scripts if row else ("start",))
    typed = node.resolved(found.scripts, script) or "" if script else ""
    elsewhere = row is None and (
        frameworks.runs_members(typed) or frameworks.runs_below(source, found.root, typed) is not None
    )
    if script and not elsewhere:
        evidence = Evidence(found.path, found.line(f"scripts.{script}"), f"script {script}")
        return node.run_script(chosen.name, script), "manifest", evidence
    server = frameworks.angular_server(source, found) if row and row.name == "angular" else None
    if row and server:
        script = next((name for name in sorted(found.scripts) if name.startswith("serve:ssr")), None)
        typed = node.run_script(chosen.name, script) if script else f"node {server}"
        return typed, "convention", _dependency(found, row)
    if row and row.kind == "meta" and row.start:
        start = row.start if row.start.startswith("node ") else node.execute(chosen.name, row.start)
        return start, "convention", _dependency(found, row)
    entry = frameworks.server_entry(source, found)
    if entry and not found.bins and (row or _looks_run(source, found, entry)):
        path = join(found.root, entry)
        reason = "main" if found.main and entry.startswith(found.main.removeprefix("./")) else "entry file"
        return f"node {entry}", "convention", Evidence(path, None, reason)
    return None


def _looks_run(source: SourceTree, found: node.Package, entry: str) -> bool:
    """Whether an entry file without a framework is a program: it listens, or works on a queue."""
    content = source.text(join(found.root, entry)) or ""
    listens = "createServer" in content or ".listen(" in content or "Bun.serve" in content
    return listens or found.has(*frameworks.WORKER_PACKAGES)


def _kind(found: node.Package) -> str:
    return "worker" if found.has(*frameworks.WORKER_PACKAGES) else "web"


def _lone(root: str, entry: str) -> Iterator[Claim]:
    """A server in one file, with nothing but Node's own modules."""
    evidence = [Evidence(join(root, entry), None, "listens, without a package.json")]
    yield Claim(root, "language", "javascript", "convention", evidence)
    yield Claim(root, "node.version", releases.default("node"), "guess", evidence)
    yield Claim(root, "processes.web.kind", "web", "convention", evidence)
    yield Claim(root, "processes.web.command", f"node {entry}", "convention", evidence)


def _workers(found: node.Package, chosen: node.Chosen) -> Iterator[Claim]:
    """Scripts such as `worker`, `start:worker`, `worker:start` or `start:scheduler`: one process a word."""
    given: set[str] = set()
    for script in sorted(found.scripts, key=lambda name: (len(name), name)):
        words = [word for word in re.split(r"[:._-]", script.lower()) if word not in ("start", "prod", "production")]
        if len(words) != 1 or words[0] not in WORKER_WORDS or words[0].rstrip("s") in given:
            continue
        if frameworks.production_script(found, (script,)) is None or len(given) >= MAX_WORKERS:
            continue
        given.add(words[0].rstrip("s"))
        name = words[0]
        evidence = [Evidence(found.path, found.line(f"scripts.{script}"), f"script {script}")]
        yield Claim(found.root, f"processes.{name}.kind", "worker", "manifest", evidence)
        yield Claim(found.root, f"processes.{name}.command", node.run_script(chosen.name, script), "manifest", evidence)
        if name in PLANNERS:
            yield Claim(found.root, f"processes.{name}.singleton", True, "manifest", evidence)


def _release(source: SourceTree, found: node.Package, chosen: node.Chosen) -> Iterator[Claim]:
    """The migrations that a release applies first, unless the start script already does."""
    if any("migrat" in found.scripts.get(name, "") for name in ("start", "start:prod", "prestart")):
        return
    step = node_migrations.step(source, found, chosen)
    if step:
        yield Claim(found.root, "processes.release.kind", "release", "convention", [step[1]])
        yield Claim(found.root, "processes.release.command", step[0], "convention", [step[1]])


# ---------------------------------------------------------------------------------------------- findings

# framework -> adapters that build for one platform only
PLATFORM_ADAPTERS = {
    "sveltekit": re.compile(r"@sveltejs/adapter-(?:auto|vercel|netlify|cloudflare(?:-workers)?)"),
    "astro": re.compile(r"@astrojs/(?:vercel|netlify|cloudflare)"),
}


def _findings(
    source: SourceTree, found: node.Package, chosen: node.Chosen, row: frameworks.Framework | None
) -> Iterator[Finding]:
    config = frameworks.config_text(source, found, row) if row and row.name in PLATFORM_ADAPTERS else None
    adapter = PLATFORM_ADAPTERS[row.name].search(config[1]) if row and config else None
    if row and config and adapter:
        yield Finding(
            "platform-adapter", "medium", config[0], source.line(config[0], adapter[0]),
            f"{adapter[0]} builds nothing that a server of one's own could start",
            "Use @sveltejs/adapter-node, or @sveltejs/adapter-static for plain files" if row.name == "sveltekit"
            else "Use @astrojs/node, or no adapter for plain files",
        )  # fmt: skip
    runs = row is not None or _start(source, found, chosen, row) is not None
    if chosen.lockfile is None and found.dependencies and runs and not is_aside(found.root):
        yield Finding(
            "missing-lockfile", "medium", found.path, None,
            "There is no lockfile: each install may get other versions",
            f"Run `{chosen.name} install` and commit the lockfile that it writes",
        )  # fmt: skip
    script = node.resolved(found.scripts, "start")
    if script and frameworks.is_development(script) and not frameworks.candidates(found) and not is_aside(found.root):
        yield Finding(
            "development-start-script", "low", found.path, found.line("scripts.start"),
            "The script `start` runs a development server",
            "Let `start` run the production program, and `dev` the development one",
        )  # fmt: skip
