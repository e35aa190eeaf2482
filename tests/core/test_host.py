"""The plugin host with plugins that misbehave: each costs its own result, and nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autostack.core.dispatch import Answer, Ask
from autostack.core.host import LIMITS, HostFailed, Opening, PluginHost
from autostack.core.model import Deployment, Outcome, Project, Release
from autostack.core.session import Ended, Session

PROJECT = {"project": Project("p" * 16, "sample")}
DEPLOYMENT = {
    "deployment": Deployment("d" * 16, "p" * 16, "toy", "autostack-d", "deploying"),
    "release": Release("r" * 16, "d" * 16, 1, "b" * 16, "deploying", attempt=1),
    "keep": False,
}

CLAIM = "Claim('.', 'framework', 'x', 'convention', [Evidence('a', 1, 'because')])"

# body of project_uploaded(source, ctx), and what its answer's error says (None: there is none)
BODIES: dict[str, tuple[str, str | None]] = {
    "a-raises": ("raise ValueError('my own fault')", "ValueError: my own fault (a-raises.py:"),
    "b-raises-badly": (
        "class Odd(Exception):\n        def __str__(self): raise ValueError\n    raise Odd",
        "Odd (b-raises-badly.py:",
    ),
    "c-raises-half-a-surrogate": ("raise ValueError('\\ud800')", "ValueError: ?"),
    "d-returns-nothing": ("return None", None),
    "e-returns-a-number": ("return 42", "has to return a list, not int"),
    "f-returns-strings": ("return ['claim']", "can't hold str"),
    "g-returns-what-no-one-can-encode": (CLAIM.replace("'x'", "object()").join(["return [", "]"]), "TypeError"),
    "h-returns-half-a-surrogate": (CLAIM.replace("'x'", "'\\ud800'").join(["return [", "]"]), "UnicodeEncodeError"),
    "i-returns-too-much": ("return [Finding('r', 'low', None, None, 'x' * 10**8)]", "a result of 100,000,"),
    "j-returns-for-ever": ("while True: yield Finding('r', 'low', None, None, 'x' * 10**6)", "MemoryError"),
    "k-recurses": ("def down(): down()\n    down()", "RecursionError"),
    "l-leaves": ("raise SystemExit(3)", "SystemExit"),
    "m-is-interrupted": ("raise KeyboardInterrupt", "its process died"),
    "n-ends-its-process": ("import os; os._exit(3)", "its process died"),
    "o-crashes": ("import ctypes; ctypes.string_at(0)", "its process died"),
    "p-sleeps": ("import time; time.sleep(60)", "ran longer than 1 s"),
    "q-loops": ("while True: pass", "ran longer than 1 s"),
    "r-talks-for-ever": ("import time\n    while True: ctx.log('still here'); time.sleep(0.1)", "ran longer than 1 s"),
    "s-allocates": ("bytearray(2**30)", "MemoryError"),
    "t-starts-a-program": ("import subprocess; subprocess.run(['true'])", "PermissionError: subprocess.Popen"),
    "u-forks": ("import os; os.fork()", "PermissionError: os.fork"),
    "v-starts-a-thread": ("import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()", None),
    "w-floods-standard-output": ("print('flood')\n    import os; os.write(1, b'flood')", None),
    "x-connects": ("import socket; socket.create_connection(('127.0.0.1', 9))", "PermissionError: socket."),
    "y-closes-everything": ("import os; os.closerange(3, 256)", "its process died"),
    "z-fills-its-files": ("kept = [open('/dev/null') for _ in range(300)]", "Too many open files"),
}

DEPLOYER = """
    import os
    import signal
    import subprocess
    import time
    from pathlib import Path

    from autostack.core import Cancelled


    @hookimpl
    def deploy_requested(ctx):
        return globals()[ctx.secret("DO")](ctx)


    @hookimpl
    async def deployment_checked(ctx):
        return Outcome("done", outputs={"checked": "yes"})


    def starts_programs(ctx):
        kept = subprocess.Popen(["sleep", "300"], start_new_session=True)
        ctx.started(kept.pid)
        lost = subprocess.Popen(["sleep", "301"])
        escaped = subprocess.Popen(["sh", "-c", "setsid sleep 302 & echo $!"], stdout=subprocess.PIPE, text=True)
        daemon = escaped.stdout.readline().strip()
        return Outcome("done", outputs={"kept": str(kept.pid), "lost": str(lost.pid), "daemon": daemon})


    def crashes(ctx):
        lost = subprocess.Popen(["sleep", "303"])
        (ctx.workspace / "lost").write_text(str(lost.pid))
        os._exit(1)


    def waits(ctx):
        (ctx.workspace / "began").touch()
        try:
            time.sleep(60)
        except Cancelled:
            (ctx.workspace / "cleaned").touch()
            return Outcome("cancelled", reason="cleaned up")


    def lets_it_pass(ctx):
        (ctx.workspace / "began").touch()
        time.sleep(60)


    def is_stubborn(ctx):
        (ctx.workspace / "began").touch()
        while True:
            try:
                time.sleep(60)
            except Cancelled:
                pass


    def saves(ctx):
        ctx.checkpoint({"step": 3})
        (ctx.workspace / "after").touch()
        return Outcome("done")


    def tells(ctx):
        return Outcome("done", outputs={
            "environment": " ".join(sorted(ctx.environment)),
            "seen": os.environ.get("AUTOSTACK_SECRET", "nothing"),
            "connects": str(subprocess.run(["true"]).returncode),
        })
"""


def add(folder: Path, name: str, body: str, head: str = "def project_uploaded(source, ctx):") -> None:
    (folder / f"{name}.py").write_text(
        f"from autostack.core import *\nfrom autostack.core import hookimpl\n\n@hookimpl\n{head}\n    {body}\n"
    )


def bad_folder(folder: Path) -> Path:
    for name, (body, _) in BODIES.items():
        add(folder, name, body)
    add(folder, "zz-async", f"return [{CLAIM}]", "async def project_uploaded(ctx):")
    add(folder, "zz-async-raises", "raise ValueError('later')", "async def project_uploaded(ctx):")
    add(folder, "zz-good", f"return [{CLAIM}]")
    return folder


@pytest.fixture(scope="module")
def bad_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginHost]:
    host = PluginHost.start([bad_folder(tmp_path_factory.mktemp("bad"))])
    yield host
    host.close()


@pytest.fixture(scope="module")
def deployers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginHost]:
    from textwrap import dedent

    folder = tmp_path_factory.mktemp("deployers")
    (folder / "deployer.py").write_text("from autostack.core import Outcome, hookimpl\n" + dedent(DEPLOYER))
    os.environ["AUTOSTACK_SECRET"] = "hidden"
    try:
        host = PluginHost.start([folder])
    finally:
        del os.environ["AUTOSTACK_SECRET"]
    yield host
    host.close()


def hasten(monkeypatch: pytest.MonkeyPatch, kind: str, **changes: float) -> None:
    monkeypatch.setitem(LIMITS, kind, replace(LIMITS[kind], **changes))  # type: ignore[arg-type]


def alive(pid: int | str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# ---- analyzers


def test_each_misbehaving_plugin_costs_only_its_own_result(
    bad_host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bad_host.manifest.problems == []
    hasten(monkeypatch, "analyzer", wall_s=1)
    descriptors = len(os.listdir("/proc/self/fd"))
    with Session(bad_host.fork, Opening("analyzer", source=str(tmp_path))) as session:
        answers = {answer.plugin: answer for answer in session.ask(Ask("project_uploaded", [PROJECT]))}
    for name, (_, error) in BODIES.items():
        said = answers[name].error
        assert (said is None) if error is None else (said is not None and error in said), f"{name}: {said}"
    assert answers["zz-async-raises"].error == "ValueError: later (zz-async-raises.py:6)"
    for name in ("zz-async", "zz-good"):
        assert isinstance(answers[name].value, list)
        assert len(answers[name].value) == 1
    assert [name for name in answers if not answers[name].error and name in BODIES] == [
        name for name, (_, error) in BODIES.items() if error is None
    ]
    assert "flood" not in capfd.readouterr().out
    until(lambda: children(bad_host.pid) == [])
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_same_session_answers_for_every_service(bad_host: PluginHost) -> None:
    with Session(bad_host.fork, Opening("analyzer")) as session:
        answers = session.ask(Ask("project_uploaded", [PROJECT, PROJECT], only="zz-good"))
        first = session.pid
        again = session.ask(Ask("project_uploaded", [PROJECT], only="zz-good"))
        assert session.pid == first
    assert [(a.plugin, a.call) for a in answers] == [("zz-good", 0), ("zz-good", 1)]
    assert again[0].error is None


def test_a_plugin_that_crashed_is_not_asked_again_in_another_fork(bad_host: PluginHost) -> None:
    with Session(bad_host.fork, Opening("analyzer")) as session:
        answers = session.ask(Ask("project_uploaded", [PROJECT, PROJECT], only="n-ends-its-process"))
    assert [(a.call, a.error is None) for a in answers] == [(0, False), (1, False)]


def test_a_session_that_is_over_asks_nothing_more(bad_host: PluginHost) -> None:
    with Session(bad_host.fork, Opening("analyzer"), deadline=time.monotonic() + 0.3) as session:
        (slow,) = session.ask(Ask("project_uploaded", [PROJECT], only="p-sleeps"))
        assert slow.error == "deadline"
        with pytest.raises(Ended):
            session.ask(Ask("project_uploaded", [PROJECT], only="zz-good"))
        session.renew(10)
        (good,) = session.ask(Ask("project_uploaded", [PROJECT], only="zz-good"))
        assert good.error is None


def test_a_session_that_was_cancelled_before_it_began_asks_nothing(bad_host: PluginHost) -> None:
    session = Session(bad_host.fork, Opening("analyzer"))
    session.cancel()
    with pytest.raises(Ended), session:
        session.ask(Ask("project_uploaded", [PROJECT], only="zz-good"))


def test_children_die_with_their_host_which_is_started_again(tmp_path: Path) -> None:
    host = PluginHost.start([bad_folder(tmp_path)])
    with Session(host.fork, Opening("analyzer")) as session:
        found: list[Answer] = []
        asking = threading.Thread(
            target=lambda: found.extend(session.ask(Ask("project_uploaded", [PROJECT], only="p-sleeps")))
        )
        asking.start()
        until(lambda: session.pid is not None)
        child = session.pid
        assert child is not None
        os.kill(host.pid, signal.SIGKILL)
        until(lambda: not alive(child))
        asking.join(10)
        assert [answer.error for answer in found] == [
            "its process died (killed, crashed, or out of memory or CPU time)"
        ]
        (good,) = session.ask(Ask("project_uploaded", [PROJECT], only="zz-good"))
        assert good.error is None
    host.close()
    assert not alive(host.pid)
    with pytest.raises(HostFailed, match="retired"):
        host.fork()


def test_a_retired_host_leaves_when_its_last_child_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    add(folder, "slow", "import time; time.sleep(0.5); return []")
    host = PluginHost.start([folder])
    found: list[Answer] = []
    with Session(host.fork, Opening("analyzer")) as session:
        asking = threading.Thread(
            target=lambda: found.extend(session.ask(Ask("project_uploaded", [PROJECT], only="slow")))
        )
        asking.start()
        until(lambda: session.pid is not None)
        threading.Timer(0.8, session.end).start()
        host.close()
        asking.join(10)
    assert [answer.error for answer in found] == [None]
    assert not alive(host.pid)


# ---- loading


def test_what_doesnt_come_back_from_its_import_or_ends_it_is_left_out(tmp_path: Path) -> None:
    add(tmp_path, "good", "return []")
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(60)\n")
    (tmp_path / "exits.py").write_text("import os\nos._exit(3)\n")
    host = PluginHost.start([tmp_path], timeout=4)
    problems = {problem.plugin: problem.reason for problem in host.manifest.problems}
    assert problems == {
        "hangs": "its import doesn't come back within 4 s",
        "exits": "its import ends the whole process",
    }
    assert "good" in [plugin.name for plugin in host.manifest.plugins]
    host.close()


def test_the_second_owner_of_a_target_is_refused(tmp_path: Path) -> None:
    targets = "return [Target('moon', 'The Moon', 'far away')]"
    add(tmp_path, "apollo", targets, "def register_targets():")
    add(tmp_path, "soyuz", targets, "def register_targets():")
    (tmp_path / "soyuz.py").open("a").write("\n\n@hookimpl\ndef project_uploaded():\n    return []\n")
    host = PluginHost.start([tmp_path])
    host.close()
    assert host.manifest.owners["moon"] == "apollo"
    assert [(p.plugin, p.reason) for p in host.manifest.problems] == [("soyuz", "target 'moon' is owned by apollo")]
    assert "soyuz" not in [plugin.name for plugin in host.manifest.plugins]
    assert "soyuz" not in host.manifest.order["project_uploaded"]


def test_a_plugin_that_fails_to_register_is_a_problem_of_its_own(tmp_path: Path) -> None:
    add(tmp_path, "broken", "raise ValueError('no targets today')", "def register_targets():")
    host = PluginHost.start([tmp_path])
    host.close()
    assert "no targets today" in next(p.reason for p in host.manifest.problems if p.plugin == "broken")
    assert {"local", "compose"} <= set(host.manifest.owners)


# ---- deployers


def deploy(host: PluginHost, do: str, workspace: Path, **more: object) -> tuple[Session, Callable[[], list[Answer]]]:
    opening = Opening("deployer", workspace=str(workspace), values={"DO": do})
    session = Session(host.fork, opening, **more)  # type: ignore[arg-type]
    call = {name: DEPLOYMENT[name] for name in ("deployment", "release")}
    return session, lambda: session.ask(Ask("deploy_requested", [call], only="deployer"))


def test_only_what_a_deployer_names_outlives_its_call(deployers: PluginHost, tmp_path: Path) -> None:
    session, ask = deploy(deployers, "starts_programs", tmp_path)
    with session:
        (answer,) = ask()
    assert isinstance(answer.value, Outcome), answer.error
    pids = answer.value.outputs
    try:
        until(lambda: not alive(pids["lost"]) and not alive(pids["daemon"]))
        assert alive(pids["kept"])
    finally:
        os.kill(int(pids["kept"]), signal.SIGKILL)


def test_what_a_crashed_deployer_had_started_is_ended(deployers: PluginHost, tmp_path: Path) -> None:
    session, ask = deploy(deployers, "crashes", tmp_path)
    with session:
        (answer,) = ask()
    assert "its process died" in str(answer.error)
    until(lambda: not alive((tmp_path / "lost").read_text()))


def cancelled(host: PluginHost, do: str, workspace: Path) -> tuple[Answer, float]:
    session, ask = deploy(host, do, workspace)
    found: list[Answer] = []
    asking = threading.Thread(target=lambda: found.extend(ask()))
    with session:
        asking.start()
        until((workspace / "began").exists)
        begin = time.monotonic()
        session.cancel()
        asking.join(20)
        took = time.monotonic() - begin
    assert len(found) == 1
    return found[0], took


def test_a_cancelled_deployer_cleans_up_and_says_so(deployers: PluginHost, tmp_path: Path) -> None:
    answer, took = cancelled(deployers, "waits", tmp_path)
    assert answer.value == Outcome("cancelled", reason="cleaned up")
    assert (tmp_path / "cleaned").exists()
    assert took < 2


def test_a_cancelled_deployer_may_let_it_pass(deployers: PluginHost, tmp_path: Path) -> None:
    answer, took = cancelled(deployers, "lets_it_pass", tmp_path)
    assert answer.error == "cancelled"
    assert took < 2


def test_a_deployer_that_ignores_cancelling_is_killed_after_its_grace(
    deployers: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch, "deployer", grace_s=0.5)
    answer, took = cancelled(deployers, "is_stubborn", tmp_path)
    assert answer.error == "cancelled"
    assert 0.4 < took < 3


def test_at_its_deadline_a_deployer_is_cancelled_and_heard(deployers: PluginHost, tmp_path: Path) -> None:
    session, ask = deploy(deployers, "waits", tmp_path, deadline=time.monotonic() + 0.5)
    with session:
        (answer,) = ask()
    assert answer.value == Outcome("cancelled", reason="cleaned up")


def test_a_deployer_that_ignores_its_deadline_is_killed_after_its_grace(
    deployers: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch, "deployer", grace_s=0.5)
    begin = time.monotonic()
    session, ask = deploy(deployers, "is_stubborn", tmp_path, deadline=time.monotonic() + 0.5)
    with session:
        (answer,) = ask()
    assert answer.error == "deadline"
    assert time.monotonic() - begin < 4


def test_a_checkpoint_returns_after_it_was_stored(deployers: PluginHost, tmp_path: Path) -> None:
    stored: list[object] = []

    def listen(plugin: str, verb: str, data: object) -> None:
        time.sleep(0.3)
        assert not (tmp_path / "after").exists()
        stored.append((plugin, verb, data))

    session, ask = deploy(deployers, "saves", tmp_path, listen=listen)
    with session:
        (answer,) = ask()
    assert answer.error is None
    assert stored == [("deployer", "checkpoint", {"step": 3})]
    assert (tmp_path / "after").exists()


def test_a_deployer_sees_its_own_environment_and_nothing_of_autostack(deployers: PluginHost, tmp_path: Path) -> None:
    session, ask = deploy(deployers, "tells", tmp_path)
    with session:
        (answer,) = ask()
    assert isinstance(answer.value, Outcome), answer.error
    assert "PATH" in answer.value.outputs["environment"]
    assert "AUTOSTACK" not in answer.value.outputs["environment"]
    assert answer.value.outputs["seen"] == "nothing"
    assert answer.value.outputs["connects"] == "0"
