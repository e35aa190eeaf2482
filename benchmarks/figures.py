"""Measures what AutoStack promises about itself: start-up, memory, and how long the demo takes the second time.

    .venv/bin/python benchmarks/figures.py            all
    .venv/bin/python benchmarks/figures.py analyze    one of: analyze, serve, demo

`analyze` and `serve` run from the built wheel, in an environment of its own. Ratios are taken side by side in one run:
a figure and its peer alternate, and medians are compared. Each line says what was measured and promised; the exit
code is 1 if one is missed.
"""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ROUNDS = 15
MIB = 1024  # KiB


def main() -> None:
    chosen = sys.argv[1:] or ["analyze", "serve", "demo"]
    missed = False
    with tempfile.TemporaryDirectory(prefix="autostack-figures-") as name:
        folder = Path(name)
        if {"analyze", "serve"} & set(chosen):
            install(folder)
        for figure in chosen:
            for what, found, promise, unit in FIGURES[figure](folder):
                held = found <= promise
                missed = missed or not held
                print(
                    f"{'ok  ' if held else 'MISS'} {what}: {found:.2f} {unit} (promise: {promise:g} {unit})", flush=True
                )
    sys.exit(missed)


Line = tuple[str, float, float, str]


def install(folder: Path) -> None:
    """The wheel in an environment of its own, outside the checkout."""
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", ".tools", "node_modules", "__pycache__", "*.egg-info", "build")
    shutil.copytree(TOP, copy, ignore=ignored, symlinks=True)
    quiet = ["-qq", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/python", "-m", "pip", "install", *quiet, copy], check=True)


def analyze(folder: Path) -> list[Line]:
    """`autostack analyze examples/guestbook --json` beside `python -c pass` of the same environment."""
    python, command = folder / "venv/bin/python", folder / "venv/bin/autostack"
    app = folder / "checkout/examples/guestbook"
    bare, whole, peaks = [], [], []
    for _ in range(ROUNDS):
        bare.append(timed([python, "-c", "pass"])[0])
        seconds, peak = timed([command, "analyze", app, "--json"])
        whole.append(seconds)
        peaks.append(peak)
    ratio = statistics.median(whole) / statistics.median(bare)
    print(
        f"     python -c pass {statistics.median(bare) * 1e3:.0f} ms, analyze {statistics.median(whole) * 1e3:.0f} ms"
    )
    return [
        ("analyze, whole process / python -c pass", ratio, 18, "x"),
        ("analyze, peak of its largest process", statistics.median(peaks) / MIB, 60, "MiB"),
    ]


def timed(command: list[str | Path]) -> tuple[float, float]:
    """Wall seconds, and the peak in KiB of the largest process of the tree."""
    begin = time.perf_counter()
    pid = os.posix_spawn(
        command[0], [str(word) for word in command], dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command} ended with status {status}")
    return seconds, float(usage.ru_maxrss)


def serve(folder: Path) -> list[Line]:
    """An idle server: start to the first 200 (on a database that is there already), then the PSS of its processes."""
    environ = os.environ | {"AUTOSTACK_DATA_DIR": str(folder / "data")}
    first = started(folder, environ)
    stop(first[0])
    process, seconds = started(folder, environ)
    time.sleep(3)
    tree = [process.pid, *descendants(process.pid)]
    memory = sum(pss(pid) for pid in tree) / MIB
    stop(process)
    return [
        ("serve, first start of all to the first 200", first[1], 2, "s"),
        ("serve, start to the first 200", seconds, 2, "s"),
        (f"serve, idle PSS of its {len(tree)} processes", memory, 110, "MiB"),
    ]


def started(folder: Path, environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], float]:
    begin = time.perf_counter()
    process = subprocess.Popen(
        [folder / "venv/bin/autostack", "serve", "--port", "3999"],
        env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", 3999, timeout=1)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return process, time.perf_counter() - begin
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
        if time.perf_counter() - begin > 30:
            process.kill()
            sys.exit("the server doesn't answer")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def pss(pid: int) -> float:
    """Proportional set size in KiB (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


def demo(folder: Path) -> list[Line]:
    """`make demo` in this checkout, the second time."""
    environ = os.environ | {"AUTOSTACK_DATA_DIR": str(folder / "demo")}
    subprocess.run(["make", "demo"], cwd=TOP, env=environ, check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=TOP, env=environ, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    command = [sys.executable, "-m", "autostack.cli.main", "destroy", "examples/guestbook", "--yes"]
    subprocess.run(command, cwd=TOP, env=environ, check=True, stdout=subprocess.DEVNULL)
    return [("make demo, the second time", seconds, 15, "s")]


FIGURES: dict[str, Callable[[Path], list[Line]]] = {"analyze": analyze, "serve": serve, "demo": demo}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
