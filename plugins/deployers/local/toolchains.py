"""Installing what a service depends on: its environments, and the package managers that the machine lacks.

Nothing is installed globally. A Python environment lies beside the releases under a hash of all that it was made from,
so that the next release with the same manifests starts at once; a release's `node_modules` are linked to the next one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.plugins.deployers.local import interpreters, steps
from autostack.plugins.deployers.local.environment import INSTALL_DEFAULTS, with_path

if TYPE_CHECKING:
    from autostack.core.model import Runtime, Service
    from autostack.plugins.deployers.local.workspace import Workspace

# Package managers that can be fetched from a registry when the machine lacks them: name -> the registry's toolchain.
FETCHED: Final = {
    "uv": "python", "poetry": "python", "pdm": "python", "pipenv": "python", "hatch": "python",
    "pnpm": "node", "yarn": "node", "bun": "node",
}  # fmt: skip

# Servers that a start command may name although the manifest doesn't: added to the environment.
PYTHON_SERVERS: Final = {
    "gunicorn": "gunicorn", "uvicorn": "uvicorn[standard]", "hypercorn": "hypercorn", "daphne": "daphne",
    "waitress-serve": "waitress",
}  # fmt: skip

_PYTHON_INPUTS = re.compile(
    r"(requirements[^/]*|constraints[^/]*|pyproject|uv|pdm)\.(txt|in|toml|lock)|Pipfile(\.lock)?|poetry\.lock|setup\.(py|cfg)"
    r"|\.python-version"
)
_NODE_INPUTS = re.compile(
    r"package(-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|pnpm-workspace\.yaml|yarn\.lock|bun\.lockb?|\.npmrc"
    r"|\.yarnrc(\.yml)?|\.pnpmfile\.c?js"
)
_LIFECYCLE = re.compile(rb'"(pre|post)?install"\s*:|"prepare"\s*:|"@prisma/client"|"patch-package"')
_LOCAL_REQUIREMENT = re.compile(rb"^\s*(-e\b|--editable\b|\.{1,2}(/|\s|$|\[)|file:)", re.MULTILINE)
_DEPTH = 4


@dataclass(frozen=True)
class Work:
    """One toolchain of a service: where it installs and builds, and with what. Folders are relative to the source."""

    toolchain: str
    folder: str
    manager: str | None
    manager_version: str | None
    install: str | None
    build: str | None
    runtime: Runtime | None


@dataclass
class Environment:
    """What the processes of a service need besides variables: folders before PATH, and where Python's things lie."""

    path: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    installs: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def over(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment with these variables and folders."""
        return with_path({**environment, **self.variables}, self.path)


def work(service: Service) -> list[Work]:
    """What is installed and built for a service, in order: toolchains that serve it first, its own last."""
    main = service.runtime.name if service.runtime else None
    same = [t for t in service.toolchains if t.name == main]
    own = next((t for t in same if t.root == service.build_root), same[0] if same else None)
    found = [
        Work(t.name, t.root, t.package_manager, None, t.install_command, t.build_command, t.runtime)
        for t in service.toolchains
        if t is not own
    ]
    if main or service.install_command or service.build_command:
        found.append(
            Work(
                main or (service.language or "shell"),
                service.build_root,
                service.package_manager or (own.package_manager if own else None),
                service.package_manager_version,
                service.install_command,
                service.build_command,
                service.runtime,
            )
        )
    return found


def _servers(commands: Iterable[str]) -> dict[str, str]:
    """The known servers among the programs that commands start, with what installs each."""
    named = [program for command in commands for program in programs(command)]
    return {name: PYTHON_SERVERS[name] for name in named if name in PYTHON_SERVERS}


def programs(command: str) -> list[str]:
    """The first words of a command's steps: what must be there for it to run."""
    found = []
    for step in re.split(r"&&|\|\||[;|\n]", command):
        try:
            words = shlex.split(step)
        except ValueError:
            continue
        while words and (words[0] in ("exec", "env", "time") or re.match(r"[A-Za-z_]\w*=", words[0])):
            words = words[1:]
        if words and re.fullmatch(r"[\w.+-]+", words[0]):
            found.append(words[0])
    return found


class Installer:
    """Installs and builds the services of one release."""

    def __init__(
        self,
        workspace: Workspace,
        number: int,
        environment: dict[str, str],
        progress: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._number = number
        self._source = workspace.source(number)
        self._environment = environment
        self._progress = progress
        self._log = workspace.log("build")
        self._done: set[tuple[str, str]] = set()

    def prepare(self, service: Service, values: dict[str, str], commands: Iterable[str]) -> Environment:
        """Install and build; `values` are the variables that builds may read, `commands` the service's processes."""
        made = Environment()
        for item in work(service):
            if item.toolchain == "python":
                self._python(item, made, commands)
            elif item.toolchain in ("node", "bun"):
                self._node(item, made)
            else:
                self._other(item, made)
            if item.build:
                self._step("build", item.build, item.folder, {**values, **made.over(self._environment)})
        return made

    # ------------------------------------------------------------------------------------------ python

    def _python(self, item: Work, made: Environment, commands: Iterable[str]) -> None:
        search, home = self._environment["PATH"], self._environment.get("HOME")
        found = interpreters.python(item.runtime, search, home)
        if found is None:
            raise steps.StepFailed(
                "this machine's Python lacks its venv module: install it (Debian: apt install python3-venv)"
            )
        if found.warning:
            made.warnings.append(found.warning)
        folder = self._source / item.folder
        extra = _servers(commands)
        made_of = f"{found.version} {' '.join(extra)}"
        key = self._key(found.path, made_of, item, folder, _PYTHON_INPUTS, self._self_installing(item, folder))
        venv = self._workspace.environments / key
        made.path.insert(0, str(venv / "bin"))
        made.variables.update(
            VIRTUAL_ENV=str(venv), UV_PROJECT_ENVIRONMENT=str(venv), POETRY_VIRTUALENVS_CREATE="false"
        )
        made.variables.update(PIPENV_VERBOSITY="-1", PIPENV_IGNORE_VIRTUALENVS="0")
        made.installs[f"python:{item.folder}"] = key
        ready = venv / ".ready"
        tool = self._tool(item, made)
        if not ready.exists():
            shutil.rmtree(venv, ignore_errors=True)
            self._progress(f"making an environment with Python {found.version}")
            bare = [] if item.install or extra else ["--without-pip"]  # pip is most of the time that it takes
            make = [found.path, "-m", "venv", *bare, str(venv)]
            self._run("make an environment", make, self._source, self._environment)
            if item.install:
                self._step("install", item.install, item.folder, tool)
            for name, requirement in extra.items():
                if not (venv / "bin" / name).exists():
                    self._progress(f"adding {name}, which the start command names")
                    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", requirement]
                    self._run(f"install {name}", pip, self._source, made.over(self._environment))
            ready.touch()
        else:
            self._progress("dependencies are unchanged: the environment is used again")

    def _self_installing(self, item: Work, folder: Path) -> bool:
        """Whether the install command puts the project itself into the environment: then it is this release's alone."""
        command = item.install or ""
        if re.search(r"pip3?\s+install\s.*(\s-e\b|\s\.(\s|\[|$)|\s\./)", command):
            return True
        manifests = [(path.name, path.read_bytes()) for path in _inputs(folder, _PYTHON_INPUTS)]
        if any(_LOCAL_REQUIREMENT.search(content) for name, content in manifests if name.startswith("requirements")):
            return True
        if item.manager == "uv":
            return any(b"[build-system]" in content for name, content in manifests if name == "pyproject.toml")
        return (item.manager == "poetry" and "--no-root" not in command) or (
            item.manager == "pdm" and "--no-self" not in command
        )

    # ------------------------------------------------------------------------------------------ node

    def _node(self, item: Work, made: Environment) -> None:
        if item.toolchain == "node":
            found = interpreters.node(item.runtime, self._environment["PATH"], self._environment.get("HOME"))
            if found is None:
                raise steps.StepFailed("this machine has no Node.js: install it, or use target compose")
            if found.warning:
                made.warnings.append(found.warning)
            made.path.append(str(Path(found.path).parent))
        folder = self._source / item.folder
        made.path.append(str(folder / "node_modules" / ".bin"))
        tool = self._tool(item, made)
        if not item.install:
            return
        alone = any(_LIFECYCLE.search(path.read_bytes()) for path in _inputs(folder, re.compile(r"package\.json")))
        key = self._key("node", tool["PATH"].split(os.pathsep)[0], item, folder, _NODE_INPUTS, alone)
        made.installs[f"node:{item.folder}"] = key
        if (item.folder, item.install) in self._done:
            return
        former = self._former(f"node:{item.folder}", key)
        if former is not None and _clone_modules(former / item.folder, folder):
            self._progress("dependencies are unchanged: node_modules are used again")
            self._done.add((item.folder, item.install))
            return
        self._step("install", item.install, item.folder, tool)

    def _former(self, name: str, key: str) -> Path | None:
        for number in self._workspace.releases():
            record = self._workspace.record(number)
            if number != self._number and record is not None and record.installs.get(name) == key:
                return self._workspace.source(number)
        return None

    # ------------------------------------------------------------------------------------------ any

    def _other(self, item: Work, made: Environment) -> None:
        made.variables.update(BUNDLE_PATH=str(self._workspace.environments / f"bundle-{item.folder.replace('/', '-')}"))
        made.path.append(str(self._source / item.folder / "bin"))
        if item.install:
            self._step("install", item.install, item.folder, made.over(self._environment))

    def _tool(self, item: Work, made: Environment) -> dict[str, str]:
        """The environment for the install command, with the package manager fetched if the machine lacks it."""
        environment = made.over(self._environment)
        manager = item.manager
        if manager not in FETCHED or shutil.which(manager, path=environment["PATH"]):
            return environment
        package = _package(manager, item.manager_version)
        folder = self._workspace.tools / re.sub(r"[^\w.=-]+", "-", package).strip("-")
        place = folder / ("bin" if FETCHED[manager] == "python" else "node_modules/.bin")
        if not (place / manager).exists():
            shutil.rmtree(folder, ignore_errors=True)
            self._progress(f"fetching {manager}, which this machine lacks")
            self._fetch(manager, package, folder, environment)
        made.path.append(str(place))
        return made.over(self._environment)

    def _fetch(self, manager: str, package: str, folder: Path, environment: dict[str, str]) -> None:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if FETCHED[manager] == "node":
            fetch = ["npm", "install", "--no-save", "--prefix", str(folder), package]
            self._run(f"fetch {manager}", fetch, self._workspace.top, environment)
            return
        own = interpreters.python(None, environment["PATH"], environment.get("HOME"))
        if own is None:
            raise steps.StepFailed(f"{manager} can't be fetched: this machine's Python lacks its venv module")
        plain = {name: value for name, value in environment.items() if name not in ("VIRTUAL_ENV", "PIP_TARGET")}
        self._run(f"fetch {manager}", [own.path, "-m", "venv", str(folder)], self._workspace.top, plain)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", package]
        self._run(f"fetch {manager}", pip, self._workspace.top, plain)

    def _step(self, what: str, command: str, folder: str, environment: dict[str, str]) -> None:
        if (folder, command) in self._done:
            return
        self._progress(f"{what}: {command}")
        self._run(what, command, self._source / folder, environment)
        self._done.add((folder, command))

    def _run(self, what: str, command: str | list[str], folder: Path, environment: dict[str, str]) -> None:
        steps.run(what, command, folder=folder, environment={**INSTALL_DEFAULTS, **environment}, log=self._log)

    def _key(self, program: str, version: str, item: Work, folder: Path, inputs: re.Pattern[str], alone: bool) -> str:
        digest = hashlib.sha256()
        parts = [program, version, item.folder, item.install or "", str(self._number) if alone else ""]
        for part in parts:
            digest.update(part.encode() + b"\0")
        for path in _inputs(folder, inputs):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]


def _package(manager: str, version: str | None) -> str:
    """What is fetched: the version that the source names, else the newest one.

    Yarn 2 and later are published as @yarnpkg/cli-dist (https://yarnpkg.com/getting-started/install).
    """
    exact = version if version and re.fullmatch(r"\d+(\.\d+){0,2}", version) else None
    if FETCHED[manager] == "python":
        return f"{manager}=={exact}" if exact and exact.count(".") == 2 else manager
    name = "@yarnpkg/cli-dist" if manager == "yarn" and exact and not exact.startswith(("0", "1")) else manager
    return f"{name}@{exact}" if exact else name


def _inputs(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Manifests and lock files below a folder, sorted; installed things are not looked into."""
    found = []
    for top, folders, files in os.walk(folder):
        depth = len(Path(top).relative_to(folder).parts)
        folders[:] = [] if depth >= _DEPTH else sorted(set(folders) - {"node_modules", ".venv", "venv", ".git"})
        in_requirements = Path(top).name == "requirements"
        found += [
            Path(top) / name
            for name in files
            if pattern.fullmatch(name) or (in_requirements and name.endswith((".txt", ".in")))
        ]
    return sorted(found)


def _clone_modules(former: Path, folder: Path) -> bool:
    """Give a folder and its workspace members the former release's `node_modules`, hard-linked; False without any."""
    if not (former / "node_modules").is_dir():
        return False
    for top, folders, _ in os.walk(former):
        if "node_modules" in folders:
            here = folder / Path(top).relative_to(former)
            if here.is_dir() and not (here / "node_modules").exists():
                shutil.copytree(
                    Path(top) / "node_modules", here / "node_modules", symlinks=True, copy_function=_hard_link
                )
        depth = len(Path(top).relative_to(former).parts)
        folders[:] = [] if depth >= _DEPTH else [name for name in folders if name not in ("node_modules", ".git")]
    return True


def _hard_link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
