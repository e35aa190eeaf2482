"""Runs a generated compose file without Docker: buildah builds its images, each service gets a network of its own.

Contexts, Dockerfiles, environment, commands, health checks, dependencies and volumes are those
of the file. Postgres, MySQL and Redis are the machine's own programs, set up as the file sets the images up.
Needs root, buildah, iproute2, util-linux, and the stand-ins of `tests/images.sh` for the official images.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_HOLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::?([-?])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")
_FROM = re.compile(r"^FROM\s+(\S+)", re.MULTILINE)
_VERSIONED = re.compile(r"(python|node|oven/bun):(\d+(?:\.\d+)*)(-\S+)?")


def lacking() -> str | None:
    """Why the images can't be built here, or None."""
    standins = os.environ.get("AUTOSTACK_STANDINS")
    if not standins:
        return "AUTOSTACK_STANDINS names no folder; `sh tests/images.sh FOLDER` makes one"
    if not Path(standins, "driver").exists():
        return f"{standins} has no stand-ins; `sh tests/images.sh {standins}` makes them"
    if os.geteuid() != 0:
        return "only root can make networks and mount images"
    missing = [program for program in ("buildah", "ip", "unshare", "curl") if shutil.which(program) is None]
    return f"{', '.join(missing)} isn't installed" if missing else None


def run(*arguments: str, timeout: float = 600, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command's output; one that fails raises with what it said."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, check=False, **options)
    if check and done.returncode:
        said = (done.stdout + done.stderr)[-6000:]
        raise AssertionError(f"{shlex.join(arguments[:40])}\nended with {done.returncode}:\n{said}")
    return done


class Buildah:
    """buildah on the folder of the stand-ins."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        driver = (folder / "driver").read_text().strip()
        scratch.mkdir(exist_ok=True)  # a run that is killed leaves files in it
        self.command = ["env", f"TMPDIR={scratch}", "buildah"]
        self.command += ["--root", f"{folder}/storage", "--runroot", f"{folder}/run"]
        self.command += ["--storage-driver", driver]

    def __call__(self, *arguments: str, timeout: float = 600, check: bool = True) -> str:
        return run(*self.command, *arguments, timeout=timeout, check=check).stdout.strip()

    def build(self, tag: str, context: Path, dockerfile: str, target: str | None, args: dict[str, str]) -> str:
        for image in _FROM.findall((context / dockerfile).read_text()):
            self.stand_in(image)
        options = [f"--build-arg={name}={value}" for name, value in args.items()]
        options += [f"--target={target}"] if target else []
        file = str(context / dockerfile)
        return self(
            "bud", "--isolation=chroot", "--pull-never", "--format=docker", "-t", tag, "-f", file, *options,
            str(context), timeout=900,
        )  # fmt: skip

    def stand_in(self, image: str) -> None:
        """Another release of the same program stands in for one that has no stand-in."""
        found = _VERSIONED.fullmatch(image)
        if found is None or self.exists(image):
            return
        names = self("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()
        same = sorted(n for n in names if re.fullmatch(rf"docker\.io/(library/)?{found[1]}:[\d.]+-slim", n))
        wanted = [int(part) for part in found[2].split(".")]
        near = [n for n in same if [int(p) for p in re.findall(r"\d+", n.rpartition(":")[2])][: len(wanted)] >= wanted]
        prefix = "" if "/" in found[1] else "library/"
        self("tag", (near or same[-1:])[0], f"docker.io/{prefix}{image}")

    def exists(self, image: str) -> bool:
        return bool(self("inspect", "--type", "image", "--format", "x", image, check=False))

    def config(self, image: str) -> dict[str, Any]:
        found = json.loads(self("inspect", "--type", "image", image))
        config: dict[str, Any] = found["Docker"]["config"]
        return config


def interpolate(text: str, values: dict[str, str]) -> str:
    """A value of a compose file with its variables filled in; a required one that is missing raises."""

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        if name is None:
            return "$"
        value = values.get(name, "")
        if not value and match[2] == "?":
            raise AssertionError(f"{name} isn't set: {match[3]}")
        return value or (match[3] if match[2] == "-" else "")

    return _HOLE.sub(fill, text)


def filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, values)
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, values) for name, item in value.items()}
    return value


def env_file(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def generate(app: Path) -> Path:
    """Write AutoStack's files beside the application's own and give the compose file among them."""
    made = app.parent / f"{app.name}-made"
    run(sys.executable, "-m", "autostack.cli.main", "generate", str(app), "--out", str(made), "--target", "compose")
    shutil.copytree(made, app, dirs_exist_ok=True)
    nested = app / "deploy/compose/compose.yaml"
    return nested if nested.exists() else app / "compose.yaml"


@dataclass
class Container:
    """A service of the compose file. `address` is its own; `process` runs while it is up."""

    name: str
    spec: dict[str, Any]
    address: str
    namespace: str
    log: Path
    image: str | None = None
    id: str | None = None
    process: subprocess.Popen[bytes] | None = None
    ended: int | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


class Stack:
    """What `docker compose up --build` would start."""

    def __init__(self, compose: Path, workspace: Path, standins: Path, env: dict[str, str] | None = None) -> None:
        self.folder = compose.parent
        self.workspace = workspace
        self.buildah = Buildah(standins, workspace / "scratch")
        script = (
            compose.parent / "env.sh" if compose.parent.name == "compose" else compose.parent / "deploy/compose/env.sh"
        )
        if script.exists():
            run("sh", str(script))
        self.values = env_file(self.folder / ".env") | (env or {})
        self.spec = filled(yaml.safe_load(compose.read_text()), self.values)
        self.mark = f"as{os.getpid() % 100000}"
        self.containers = {
            name: Container(
                name, spec, f"10.77.0.{10 + number}", f"{self.mark}n{number}", workspace / f"{name}.log"
            )
            for number, (name, spec) in enumerate(self.spec["services"].items())
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------ images

    def build(self) -> None:
        tags: dict[str, str] = {}
        for container in self.containers.values():
            spec = container.spec.get("build")
            if spec is None:
                continue
            assert not spec.get("secrets"), "registry tokens aren't handed on here"
            key = json.dumps(spec, sort_keys=True)
            if key not in tags:
                tag = f"localhost/{self.mark}-{container.name}"
                args = {n: v if v is not None else self.values.get(n) for n, v in spec.get("args", {}).items()}
                context = (self.folder / spec["context"]).resolve()
                self.buildah.build(
                    tag,
                    context,
                    spec["dockerfile"],
                    spec.get("target"),
                    {n: str(v) for n, v in args.items() if v is not None},
                )
                tags[key] = tag
            container.image = tags[key]
            container.config = self.buildah.config(container.image)
        self.images = sorted(tags.values())

    @contextlib.contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """An image's files."""
        id = self.buildah("from", "--pull-never", image)
        try:
            yield Path(self.buildah("mount", id))
        finally:
            self.buildah("rm", id)

    # ------------------------------------------------------------------------------------------ running

    @contextlib.contextmanager
    def up(self, profiles: tuple[str, ...] = ()) -> Iterator[Stack]:
        try:
            self._network()
            started: set[str] = set()
            wanted = [c for c in self.containers.values() if set(c.spec.get("profiles", profiles)) <= set(profiles)]
            for container in wanted:
                self._start(container, started)
            for container in wanted:
                if container.ended is None and self._health_command(container):
                    self.healthy(container)
            yield self
        except BaseException:
            for container in self.containers.values():
                if container.output:
                    print(f"---- {container.name} ----\n{container.output}", file=sys.stderr)
            raise
        finally:
            self.down()

    def down(self) -> None:
        for container in reversed(self.containers.values()):
            self._stop(container)
            if container.id:
                self.buildah("rm", container.id, check=False)
            run("ip", "netns", "del", container.namespace, check=False)
        run("ip", "netns", "del", f"{self.mark}bridge", check=False)
        for image in getattr(self, "images", []):
            self.buildah("rmi", "--force", image, check=False)
        self.buildah("rmi", "--prune", check=False)

    def http(self, name: str, path: str = "/", *options: str, port: int | None = None) -> tuple[int, str]:
        """Status and body of a request to a service from outside; its published port if none is given."""
        container = self.containers[name]
        port = port or int(str(container.spec["ports"][0]).rpartition(":")[2])
        done = run(
            "ip", "netns", "exec", f"{self.mark}bridge", "curl", "-sS", "--max-time", "20",
            "--retry", "20", "--retry-delay", "1", "--retry-connrefused", "-w", "\n%{http_code}",
            *options, f"http://{container.address}:{port}{path}",
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def healthy(self, container: Container, patience: float = 30) -> None:
        deadline = time.monotonic() + patience
        while True:
            assert container.process is None or container.process.poll() is None, (
                f"{container.name} ended with {container.process.returncode}:\n{container.output}"
            )
            command = self._health_command(container)
            assert command is not None, f"{container.name} has no health check"
            done = self.execute(container, command)
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{container.name} isn't healthy: {done.stderr}\n{container.output}"
            time.sleep(0.5)

    def users(self, container: Container) -> set[int]:
        """The users that a service's processes run as."""
        return {Path(f"/proc/{pid}").stat().st_uid for pid in self.pids(container)}

    def ends_in(self, container: Container) -> float:
        """Seconds until a service's program has ended after SIGTERM."""
        begin = time.monotonic()
        os.kill(self.pids(container)[0], signal.SIGTERM)
        assert container.process is not None
        container.process.wait(30)
        return time.monotonic() - begin

    def pids(self, container: Container) -> list[int]:
        """The processes inside a service's container, the first one first."""
        found = sorted(int(pid) for pid in run("ip", "netns", "pids", container.namespace).stdout.split())
        inside = []
        for pid in found:
            with contextlib.suppress(OSError):  # it has just ended
                own = Path(f"/proc/{pid}/cmdline").read_bytes()
                if not own.startswith(b"buildah") and not Path(f"/proc/{pid}/root").samefile("/"):
                    inside.append(pid)
        return inside

    def execute(self, container: Container, command: list[str]) -> subprocess.CompletedProcess[str]:
        """What `docker compose exec` would give: a command beside the running program, as the same user."""
        if container.id is None:
            return run("ip", "netns", "exec", container.namespace, *command, check=False, timeout=30)
        pid = next(iter(self.pids(container)), None)
        if pid is None:
            return subprocess.CompletedProcess(command, 1, "", "nothing runs")
        environ = Path(f"/proc/{pid}/environ").read_text().split("\0")
        user = Path(f"/proc/{pid}").stat()
        enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--root", "--wd"]
        enter += [f"--setuid={user.st_uid}", f"--setgid={user.st_gid}"]
        return run(*enter, *command, check=False, timeout=30, env=dict(e.split("=", 1) for e in environ if "=" in e))

    def _network(self) -> None:
        bridge = f"{self.mark}bridge"
        run("ip", "netns", "add", bridge)
        inside = ("ip", "netns", "exec", bridge)
        run(*inside, "ip", "link", "add", "br0", "type", "bridge")
        run(*inside, "ip", "addr", "add", "10.77.0.1/24", "dev", "br0")
        run(*inside, "ip", "link", "set", "br0", "up")
        for number, container in enumerate(self.containers.values()):
            run("ip", "netns", "add", container.namespace)
            own = ("ip", "netns", "exec", container.namespace)
            run(
                *inside,
                "ip",
                "link",
                "add",
                f"v{number}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                container.namespace,
            )
            run(*inside, "ip", "link", "set", f"v{number}", "master", "br0", "up")
            run(*own, "ip", "addr", "add", f"{container.address}/24", "dev", "eth0")
            run(*own, "ip", "link", "set", "eth0", "up")
            run(*own, "ip", "link", "set", "lo", "up")

    def _start(self, container: Container, started: set[str]) -> None:
        if container.name in started:
            return
        started.add(container.name)
        for other, spec in container.spec.get("depends_on", {}).items():
            self._start(self.containers[other], started)
            match spec["condition"]:
                case "service_completed_successfully":
                    assert self.containers[other].ended == 0, self.containers[other].output
                case "service_healthy":
                    self.healthy(self.containers[other])
        command = self._command(container)
        with container.log.open("wb") as log:
            container.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child=KILL", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        while container.id and container.process.poll() is None and not self.pids(container):
            time.sleep(0.05)  # buildah is about to start it
        if container.spec.get("restart") == "no":
            container.ended = container.process.wait(180)
            assert container.ended == 0, f"{container.name} ended with {container.ended}:\n{container.output}"
            container.process = None

    def _stop(self, container: Container) -> None:
        if container.process is not None:
            container.process.kill()
            container.process.wait()
            container.process = None

    def _command(self, container: Container) -> list[str]:
        prefix = ["ip", "netns", "exec", container.namespace]
        if container.image is None and "caddy" not in container.spec["image"]:
            return [*prefix, *self._backing(container)]
        container.image = container.image or container.spec["image"]
        container.config = self.buildah.config(container.image)
        hosts = [f"--add-host={c.name}:{c.address}" for c in self.containers.values()]
        container.id = self.buildah("from", "--pull-never", *hosts, container.image)
        command = container.spec.get("command") or [
            *(container.config.get("Entrypoint") or []), *(container.config.get("Cmd") or []),
        ]  # fmt: skip
        return self._inside(container, command)

    def _inside(self, container: Container, command: list[str]) -> list[str]:
        """The command that runs another one in a service's container and network."""
        prefix = ["ip", "netns", "exec", container.namespace]
        if container.id is None:
            return [*prefix, *command]
        options = [f"--env={name}={value}" for name, value in self.environment(container).items()]
        options += [f"--volume={volume}" for volume in self._volumes(container)]
        if "ALL" in container.spec.get("cap_drop", []):
            options += ["--cap-drop=all"]
            prefix += ["setpriv", "--no-new-privs"]
        return [*prefix, *self.buildah.command, "run", "--isolation=chroot", *options, container.id, "--", *command]

    def environment(self, container: Container) -> dict[str, str]:
        spec = container.spec.get("environment", {})
        return {
            n: str(v if v is not None else self.values.get(n))
            for n, v in spec.items()
            if v is not None or n in self.values
        }

    def _volumes(self, container: Container) -> Iterator[str]:
        for mount in container.spec.get("volumes", []):
            name, path, *mode = mount.split(":")
            if name.startswith("."):
                yield ":".join([str((self.folder / name).resolve()), path, *mode])
                continue
            place = self.workspace / "volumes" / name
            if not place.exists():  # a new volume begins as what the image has there
                place.parent.mkdir(exist_ok=True)
                assert container.id is not None
                inner = Path(self.buildah("mount", container.id), path.lstrip("/"))
                run("cp", "-a", str(inner), str(place)) if inner.exists() else place.mkdir()
            yield f"{place}:{path}"

    def _health_command(self, container: Container) -> list[str] | None:
        spec = container.spec.get("healthcheck", {})
        if spec.get("disable"):
            return None
        test = spec.get("test") or (container.config.get("Healthcheck") or {}).get("Test")
        if not test:
            return None
        return list(test[1:]) if test[0] == "CMD" else ["/bin/sh", "-c", test[1]]

    def _backing(self, container: Container) -> list[str]:
        """The machine's own program, set up as the official image would with the same environment."""
        env = self.environment(container)
        data = self.workspace / "data" / container.name
        data.mkdir(parents=True, exist_ok=True)
        kind = container.spec["image"].partition(":")[0].rpartition("/")[2]
        if kind == "redis":
            return [*container.spec["command"], "--protected-mode", "no", "--dir", str(data), "--save", ""]
        if kind == "postgres":
            return _postgres(data, env)
        if kind == "mysql":
            return _mysql(data, env)
        raise AssertionError(f"no program stands in for {container.spec['image']}")


def _postgres(data: Path, env: dict[str, str]) -> list[str]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    shutil.chown(data, "postgres", "postgres")
    secret = data.parent / "password"
    secret.write_text(env["POSTGRES_PASSWORD"])
    secret.chmod(0o644)
    user, name = env["POSTGRES_USER"], env["POSTGRES_DB"]
    script = (
        f"{programs}/initdb -D {data}/db -U {shlex.quote(user)} -A scram-sha-256 --pwfile={secret} -E UTF8 >&2 && "
        f"echo 'host all all all scram-sha-256' >> {data}/db/pg_hba.conf && "
        f"echo 'create database {name}' | {programs}/postgres --single -D {data}/db postgres >/dev/null; "
        f"exec {programs}/postgres -D {data}/db -h 0.0.0.0 -k {data} -p 5432"
    )
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c", script]


def _mysql(data: Path, env: dict[str, str]) -> list[str]:
    start = data / "start.sql"
    user, password, name = env["MYSQL_USER"], env["MYSQL_PASSWORD"], env["MYSQL_DATABASE"]
    start.write_text(
        f"create database if not exists {name};\ncreate user '{user}'@'%' identified by '{password}';\n"
        f"grant all on {name}.* to '{user}'@'%';\n"
    )
    script = (
        f"mariadb-install-db --no-defaults --user=root --datadir={data}/db >/dev/null && "
        f"exec mariadbd --no-defaults --user=root --datadir={data}/db --bind-address=0.0.0.0 --port=3306 "
        f"--socket={data}/socket --init-file={start}"
    )
    return ["sh", "-c", script]
