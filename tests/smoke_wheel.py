"""Builds the wheel, installs it into an empty environment outside the checkout, and sees that it works there.

Every Python named by `PYTHONS` that this machine has is tried: imports, the command, one upload to a served API. Run by
`make test`; it prints a line per step and ends with exit code 1 at the first that fails.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PYTHONS = ("3.13",)  # besides the one that runs this file

# Must not be loaded by a command that only analyses (design: it starts fast and stays small).
HEAVY = ("quart", "sqlalchemy", "boto3", "rich", "structlog", "asyncio")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="autostack wheel ") as name:  # with a space in it
        folder = Path(name)
        wheel = build(folder)
        for python in interpreters():
            try_it(python, wheel, folder / python.name)
    print("1 passed, 0 failed")


def build(folder: Path) -> Path:
    """The wheel of the checkout, made by pip from a copy, so that nothing is left in it."""
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", ".tools", "node_modules", "__pycache__", "*.egg-info", "build")
    shutil.copytree(TOP, copy, ignore=ignored, symlinks=True)
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "-w", folder / "dist", copy)
    (found,) = (folder / "dist").glob("autostack-*.whl")
    names = set(zipfile.ZipFile(found).namelist())
    for room in ("core", "plugins", "api", "cli"):
        missing = [
            str(path.relative_to(TOP))
            for path in (TOP / room).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and f"autostack/{path.relative_to(TOP)}" not in names
        ]
        if missing:
            sys.exit(f"the wheel lacks {', '.join(missing)}")
    print(f"wheel: {found.name}, {found.stat().st_size // 1024} KiB, nothing of the four rooms is missing")
    return found


def interpreters() -> list[Path]:
    """This Python, and the others that the machine has."""
    found = [Path(sys.executable)]
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in PYTHONS:
        command = shutil.which(f"python{version}")
        if version != own and command and works(command):
            found.append(Path(command))
    return found


def works(command: str) -> bool:
    done = subprocess.run([command, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return done.returncode == 0


def try_it(python: Path, wheel: Path, folder: Path) -> None:
    """Install into an empty environment and use it from outside the checkout."""
    run(python, "-m", "venv", folder / "venv")
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    run(*pip, "--only-binary=:all:", wheel)
    command = folder / "venv/bin/autostack"
    version = run(command, "--version", cwd=folder).strip()
    app = folder / "app"
    shutil.copytree(TOP / "examples/guestbook", app)
    analysis = json.loads(run(command, "analyze", app, "--json", cwd=folder))
    expect(analysis["services"][0]["framework"] == "flask", f"analysis: {analysis['services'][:1]}")
    files = json.loads(run(command, "generate", app, "--out", folder / "out", "--json", cwd=folder))
    expect((folder / "out/Dockerfile").is_file(), f"generate wrote {files}")
    loaded = run(
        folder / "venv/bin/python", "-c",
        "import sys; sys.argv = ['autostack', 'analyze', sys.argv[1], '--json']\n"
        "from autostack.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)",
        app, cwd=folder, stderr=True,
    )  # fmt: skip
    expect(loaded.strip().endswith("[]"), f"analyze loads {loaded.strip()}")
    upload(folder / "venv/bin/autostack", folder, app)
    print(f"{python.name}: {version}, imports, command and one upload work from the wheel")


def upload(command: Path, folder: Path, app: Path) -> None:
    """One upload to a served API, to its analysis."""
    ports = free_ports(4)
    environ = os.environ | {
        "AUTOSTACK_DATA_DIR": str(folder / "data"),
        "AUTOSTACK_ANALYSIS_PORT": str(ports[1]),
        "AUTOSTACK_GENERATION_PORT": str(ports[2]),
        "AUTOSTACK_DEPLOYMENT_PORT": str(ports[3]),
    }
    server = subprocess.Popen(
        [command, "serve", "--port", str(ports[0])], cwd=folder, env=environ, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: call(ports[0], "GET", "/health")[0] == 200, "health")
        person = {"email": "smoke@example.org", "password": "correct horse battery staple"}
        expect(call(ports[0], "POST", "/api/auth/register", person)[0] == 201, "register")
        _, login = call(ports[0], "POST", "/api/auth/login", person)
        token = str(login["access_token"])
        _, project = call(ports[0], "POST", "/api/projects", {"name": "smoke"}, token)
        archive = folder / "app.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            for path in sorted(app.rglob("*")):
                if path.is_file():
                    zipped.write(path, path.relative_to(app))
        status, _ = call(ports[0], "POST", f"/api/projects/{project['id']}/uploads", archive.read_bytes(), token)
        expect(status == 202, f"upload: {status}")
        done = f"/api/projects/{project['id']}"
        wait_for(lambda: call(ports[0], "GET", done, token=token)[1].get("status") == "ready", "analysis")
    finally:
        server.send_signal(signal.SIGTERM)
        expect(server.wait(25) == 0, "the server's end")


def call(
    port: int, method: str, path: str, body: object = None, token: str | None = None
) -> tuple[int, dict[str, object]]:
    """One request; (0, {}) if nobody answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if isinstance(body, bytes):
        data, headers["Content-Type"] = body, "application/zip"
    elif body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text.startswith(b"{") else {}
    except OSError:
        return 0, {}
    finally:
        connection.close()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        expect(time.monotonic() < end, f"{what}: nothing in 30 s")
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run(*command: object, cwd: Path | None = None, stderr: bool = False) -> str:
    words = [str(word) for word in command]
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stderr if stderr else done.stdout


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"failed: {what}")


if __name__ == "__main__":
    main()
