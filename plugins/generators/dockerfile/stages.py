"""The stages of an image: one for each toolchain, which installs and builds, and the final one, which only runs."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from autostack.core import architecture
from autostack.core.command import argv
from autostack.core.images import context_of
from autostack.core.model import Analysis, Env, Process, Service, Toolchain
from autostack.core.paths import join
from autostack.core.probe import probe
from autostack.core.render import Command
from autostack.core.slugs import slug
from autostack.core.text import NAME, Text, Variable
from autostack.plugins.generators.dockerfile import tables
from autostack.plugins.generators.dockerfile.manifests import from_git, manifests

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_DUMMY: Final = "build-only"
# What a build is told instead of a value that only exists later: end of the variable's name -> text of the right kind.
_DUMMIES: Final = (
    ("DATABASE_URL", "sqlite:////tmp/build.sqlite3"),
    ("_URL", "http://localhost"),
    ("_URI", "http://localhost"),
    ("_PORT", "1"),
    ("_HOST", "localhost"),
    ("_HOSTS", "localhost"),
    ("_EMAIL", "build@localhost"),
)
# Their builds load the server's modules too, and with these whatever such a module insists on.
_SERVER_RENDERED: Final = frozenset(("next", "nuxt", "sveltekit", "remix", "astro", "gatsby"))


@dataclass(frozen=True)
class Output:
    """A path that a stage takes from another one."""

    stage: str
    path: str
    to: str


@dataclass(frozen=True)
class BuildStage:
    """A toolchain's stage. `folder` is where install and build commands are typed."""

    name: str
    image: str
    folder: str
    environ: list[tuple[str, str]] = field(default_factory=list)
    environment: bool = False  # a Python virtual environment
    packages: Command | None = None
    prepare: Command | None = None  # package manager, and a place for what it installs
    manifests: list[tuple[str, list[str]]] = field(default_factory=list)  # folder to copy to, paths in the context
    first: Command | None = None  # the install that has the manifests only
    install: Command | None = None  # the install that has everything
    outputs: list[Output] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    args: list[tuple[str, str | None]] = field(default_factory=list)
    build: Command | None = None
    after: Command | None = None


@dataclass(frozen=True)
class FinalStage:
    """The image that runs."""

    image: str
    workdir: str
    source: str | None  # the stage that has the built code; None: the context itself
    environment: bool = False
    environ: list[tuple[str, str]] = field(default_factory=list)
    packages: Command | None = None
    tool: Command | None = None
    prepare: Command | None = None
    port: int | None = None
    port_env: str = "PORT"
    health: list[str] | None = None
    command: list[str] = field(default_factory=list)


def build_stages(analysis: Analysis, service: Service, source: SourceTree) -> list[BuildStage]:
    """A stage for each toolchain that installs or builds anything; the main one last, with what the others made."""
    main = main_toolchain(service)
    stages: list[BuildStage] = []
    for toolchain in sorted(service.toolchains, key=lambda t: (t is main, t.name)):
        if toolchain.name in tables.IMAGES and (toolchain.install_command or toolchain.build_command):
            stages.append(_build_stage(analysis, service, source, toolchain, toolchain is main, stages))
    return stages


def main_toolchain(service: Service) -> Toolchain | None:
    """The toolchain whose runtime runs the service; of a static site, the one that builds it."""
    wanted = service.runtime.name if service.runtime else None
    named = [toolchain for toolchain in service.toolchains if toolchain.name == wanted]
    buildable = [toolchain for toolchain in service.toolchains if toolchain.name in tables.IMAGES]
    return next(iter([*named, *buildable]), None)


def final_stage(analysis: Analysis, service: Service, stages: list[BuildStage]) -> FinalStage | None:
    """The stage that runs the service's programs, or None if no image of the table can."""
    toolchain = main_toolchain(service)
    runtime = service.runtime or (toolchain.runtime if toolchain else None)
    name = runtime.name if runtime else toolchain.name if toolchain else None
    if name not in tables.IMAGES:
        return None
    main = _main_process(service)
    built = next((stage for stage in stages if toolchain and stage.name == _stage(service, toolchain)), None)
    row = _manager(service, toolchain) if toolchain else None
    port = _port(analysis, service)
    environ = [*tables.RUN_ENVIRON[name]]
    if built is None:
        environ = [pair for pair in environ if pair[0] != "VIRTUAL_ENV"]
    if service.framework in tables.HOST_ENVIRON:
        environ.append(tables.HOST_ENVIRON[service.framework])
    else:  # the code's default is the machine that it runs on: nobody could reach it in its container
        local = (env.name for env in service.env if env.name in tables.HOST_NAMES and env.default in tables.LOOPBACK)
        environ += [(name, "0.0.0.0") for name in local]  # noqa: S104  # a container's own address
    if row and tables.uses(row, service):
        environ += tables.MANAGER_ENVIRON.get(row.program, ())
        environ += [("UV_NO_SYNC", "1")] if row.program == "uv" else []
    links = sorted(architecture.database_files(service).items())
    mounts = {mount.path for c in architecture.tasks(analysis) if c.service == service.root for mount in c.mounts}
    return FinalStage(
        image=tables.image(name, runtime.version if runtime else None),
        workdir=architecture.workdir(service),
        source=built.name if built else stages[-1].name if stages else None,
        environment=bool(built and built.environment),
        environ=environ,
        packages=_packages(p.name for p in service.system_packages if p.phase == "run"),
        tool=_tool(service, toolchain) if row and toolchain and tables.uses(row, service) else None,
        prepare=_prepare(sorted(mounts), links),
        port=port,
        port_env=service.port_env or "PORT",
        health=probe(name, port, _health_path(service, main), service.port_env or "PORT") if port else None,
        command=argv(main.command) if main and main.command else [],
    )


def _prepare(folders: list[str], links: list[tuple[str, str]]) -> Command | None:
    """Folders for volumes, which take over their owner, and links to the files on them."""
    steps = [f"install -d -o app -g app {' '.join(map(shlex.quote, folders))}"] if folders else []
    steps += [f"ln -sfn {shlex.quote(file)} {shlex.quote(link)}" for link, file in links]
    return Command(" && ".join(steps)) if steps else None


def static_folder(service: Service) -> str:
    """Where the files of a static site lie after its build, inside its build's image."""
    return posixpath.normpath(posixpath.join(architecture.workdir(service), service.static_dir or "."))


# ---------------------------------------------------------------------------------------------- one stage


def _build_stage(
    analysis: Analysis,
    service: Service,
    source: SourceTree,
    toolchain: Toolchain,
    is_main: bool,
    before: list[BuildStage],
) -> BuildStage:
    row = _manager(service, toolchain)
    root = _root(service, toolchain, is_main)
    folder = posixpath.normpath(posixpath.join(architecture.APP, posixpath.relpath(root, context_of(service))))
    files = manifests(source, replace(toolchain, root=root), row) if row else []
    install = toolchain.install_command
    twice = bool(files and row and row.first and (install or "").startswith(f"{row.program} sync")) or bool(
        files and row and row.program == "pdm"
    )
    first = f"{install} {row.first}" if twice and row and install else install
    packages = _build_packages(service, toolchain) if is_main else []
    listed = files or [name for name in (row.manifests if row else ()) if join(root, name) in source]
    if from_git(source, root, listed):
        packages += ["ca-certificates", "git"]
    build = toolchain.build_command
    environ = [*tables.BUILD_ENVIRON[toolchain.name], *tables.MANAGER_ENVIRON.get(row.program if row else "", ())]
    runtime = toolchain.runtime
    return BuildStage(
        name=_stage(service, toolchain),
        image=tables.image(toolchain.name, runtime.version if runtime else None),
        folder=folder,
        environ=environ,
        environment=toolchain.name == "python",
        packages=_packages(packages),
        prepare=_preparation(service, toolchain),
        manifests=_copies(files, root, folder, service),
        first=_with_tokens(service, first) if first and files else None,
        install=_with_tokens(service, install) if install and (not files or twice) else None,
        outputs=_outputs(service, before) if is_main else [],
        secrets=_registry_tokens(service),
        args=_printable_args(architecture.build_args(analysis, service)) if build else [],
        build=Command(_with_dummies(analysis, service, toolchain, build)) if build else None,
        after=_tidy(service, source, toolchain, root) if is_main else _forget_packages(toolchain),
    )


def _stage(service: Service, toolchain: Toolchain) -> str:
    """The stage's name; that of a part with the main one's toolchain also has the part's folder in it."""
    main = main_toolchain(service)
    if main is None or toolchain is main or toolchain.name != main.name:
        return f"{toolchain.name}-build"
    return f"{slug(toolchain.root, 40)}-{toolchain.name}-build"


def _root(service: Service, toolchain: Toolchain, is_main: bool) -> str:
    """Where a toolchain's commands are typed."""
    return service.build_root if is_main else toolchain.root


def _manager(service: Service, toolchain: Toolchain) -> tables.Manager | None:
    version = service.package_manager_version if toolchain.package_manager == service.package_manager else None
    return tables.manager(toolchain.package_manager, version)


def _tool(service: Service, toolchain: Toolchain) -> Command | None:
    row = _manager(service, toolchain)
    version = service.package_manager_version if toolchain.package_manager == service.package_manager else None
    runtime = toolchain.runtime.version if toolchain.runtime else None
    command = tables.tool(row, version, toolchain.name, runtime) if row else None
    return Command(command) if command else None


def _printable_args(args: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """A default with a line break can't stand in a Dockerfile; the variable is then simply not set."""
    return [(name, value if value and value.isprintable() else None) for name, value in args]


def _build_packages(service: Service, toolchain: Toolchain) -> list[str]:
    """Libraries to build with, and compilers; and those to run with, if the build runs the application's own code."""
    build = [package.name for package in service.system_packages if package.phase == "build"]
    run = [package.name for package in service.system_packages if package.phase == "run"]
    runs_code = bool(toolchain.build_command) or toolchain.name != "python"  # npm packages run scripts when installed
    return [*build, *(tables.COMPILERS[toolchain.name] if build else ()), *(run if runs_code else ())]


def _preparation(service: Service, toolchain: Toolchain) -> Command | None:
    tool = _tool(service, toolchain)
    steps = [tool.text] if tool else []
    steps += [f"python -m venv {tables.VIRTUAL_ENVIRONMENT}"] if toolchain.name == "python" else []
    return Command(" && ".join(steps)) if steps else None


def _copies(files: list[str], root: str, folder: str, service: Service) -> list[tuple[str, list[str]]]:
    """The manifests by the folder that they go to, with their paths in the build's context."""
    start = posixpath.relpath(root, context_of(service))
    found: dict[str, list[str]] = {}
    for path in files:
        inner = posixpath.normpath(posixpath.join(start, path))
        to = posixpath.normpath(posixpath.join(folder, posixpath.dirname(path)))
        found.setdefault(to + "/", []).append(inner)
    return sorted(found.items())


def _outputs(service: Service, before: list[BuildStage]) -> list[Output]:
    """What the other toolchains built: their output folder, or, where it isn't known, their whole tree."""
    found = []
    context = context_of(service)
    for stage in before:
        toolchain = next(t for t in service.toolchains if _stage(service, t) == stage.name)
        base = posixpath.join(architecture.APP, posixpath.relpath(toolchain.root, context))
        path = (
            posixpath.normpath(posixpath.join(base, toolchain.output_dir)) if toolchain.output_dir else architecture.APP
        )
        found.append(Output(stage.name, path, path))
    return found


def _packages(candidates: Iterable[str]) -> Command | None:
    """The command that installs Debian packages; a name that no package can have is left out."""
    wanted = sorted({name for name in candidates if tables.DEBIAN_PACKAGE.fullmatch(name)})
    if not wanted:
        return None
    names = " ".join(wanted)
    return Command(
        f"apt-get update && apt-get install -y --no-install-recommends {names} && rm -rf /var/lib/apt/lists/*"
    )


def _registry_tokens(service: Service) -> list[str]:
    """Secrets that an install needs: they are mounted for its one line and leave no trace in the image."""
    return sorted(env.name for env in service.env if env.secret and env.phase == "build" and NAME.fullmatch(env.name))


def _with_tokens(service: Service, command: str) -> Command:
    reads = [f'{name}="$(cat /run/secrets/{name})"' for name in _registry_tokens(service)]
    return Command(f"export {' '.join(reads)} && {command}" if reads else command)


def _with_dummies(analysis: Analysis, service: Service, toolchain: Toolchain, command: str) -> str:
    """The build command with a stand-in for every value that its code insists on and only exists later."""
    if toolchain.name != "python" and (service.framework not in _SERVER_RENDERED or architecture.is_static(service)):
        return command
    known = architecture.environment(analysis, service)
    needed = [env for env in architecture.run_env(service) if env.required and env.default is None]
    if toolchain.name == "python":  # an empty SECRET_KEY stops Django as a missing one does
        secret = architecture.can_be_generated
        needed += [env for env in architecture.run_env(service) if not env.required and env.secret and secret(env.name)]
    if not needed:
        return command
    pairs = " ".join(f"{env.name}={shlex.quote(_dummy(env, known.get(env.name)))}" for env in needed)
    return f"export {pairs} && {command}"


def _dummy(env: Env, known: Text | None) -> str:
    if known is not None:
        return "".join(_DUMMY if isinstance(part, Variable) else part for part in known.parts)
    return next((text for end, text in _DUMMIES if env.name.endswith(end)), _DUMMY)


def _tidy(service: Service, source: SourceTree, toolchain: Toolchain, root: str) -> Command | None:
    """What leaves behind nothing that only the build needed; a static site's build stays behind as a whole."""
    if architecture.is_static(service):
        return None
    inside = posixpath.relpath(service.root, root)
    caches = [
        posixpath.normpath(posixpath.join(inside, path)) for path in tables.CACHES.get(service.framework or "", ())
    ]
    forget = f"rm -rf {' '.join(map(shlex.quote, caches))}" if caches and toolchain.build_command else None
    steps = [step for step in (_prune(service, source, toolchain, root), forget) if step]
    return Command(" && ".join(steps)) if steps else None


def _prune(service: Service, source: SourceTree, toolchain: Toolchain, root: str) -> str | None:
    """Leave development dependencies out of the image, where it is certain that nothing started there needs them."""
    if toolchain.package_manager != "npm" or toolchain.name != "node" or root != service.root:
        return None
    if any(p.kind != "web" for p in service.processes):
        return None
    package = source.json(join(root, "package.json"))
    if not isinstance(package, dict) or not package.get("devDependencies"):
        return None
    scripts = package.get("scripts")
    start = scripts.get("start") if isinstance(scripts, dict) else None
    commands = [start if p.command == "npm run start" else p.command for p in service.processes]
    plain = all(isinstance(command, str) and argv(command)[:1] == ["node"] for command in commands)
    return "npm prune --omit=dev" if plain else None


def _forget_packages(toolchain: Toolchain) -> Command | None:
    """Where the whole tree goes on to another stage, the packages that built it stay behind."""
    return Command("rm -rf node_modules") if toolchain.output_dir is None and toolchain.name != "python" else None


def _main_process(service: Service) -> Process | None:
    return next((process for process in service.processes if architecture.is_main(service, process)), None)


def _port(analysis: Analysis, service: Service) -> int | None:
    main = _main_process(service)
    tasks = architecture.tasks(analysis)
    return next((c.port for c in tasks if main and c.service == service.root and c.process == main.name), None)


def _health_path(service: Service, main: Process | None) -> str | None:
    return (main.health_path if main else None) or service.health_path
