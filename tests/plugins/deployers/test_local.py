"""Target `local` with real processes: what is started answers, is found again, and is gone when it was ended."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autostack.core.context import Cancelled, Context
from autostack.core.errors import Declined
from autostack.core.ids import new_id
from autostack.core.model import (
    Analysis,
    Architecture,
    Call,
    Deployment,
    Env,
    Outcome,
    Port,
    Process,
    Release,
    Resource,
    ResourceEnv,
    Runtime,
    Service,
    Toolchain,
    Volume,
)
from autostack.core.source import SourceTree
from autostack.plugins.deployers import local
from autostack.plugins.deployers.local import health, processes
from autostack.plugins.deployers.local.workspace import Started, Workspace

DEPLOYMENT = new_id()  # marks processes of the whole machine: another run of these tests has another one

SERVER = """
import http.server, os, sqlite3, sys
path = os.environ.get("DATABASE_PATH", "data/notes.db")
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with sqlite3.connect(path) as db:
            db.execute("create table if not exists visits (n integer)")
            db.execute("insert into visits values (1)")
            count = db.execute("select count(*) from visits").fetchone()[0]
        body = f"WORD {count} {os.environ.get('GREETING', '')}".encode()
        self.send_response(STATUS); self.end_headers(); self.wfile.write(body)
print("listening on", os.environ["PORT"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


@dataclass
class Place:
    """One deployment on this machine, and what its deployer said."""

    workspace: Path
    source: Path
    values: dict[str, str]
    said: list[tuple[str, object]]
    number: int = 0

    def __post_init__(self) -> None:
        self.deployment = Deployment(DEPLOYMENT, "p1", "local", "app", "new")
        self.releases: dict[int, Release] = {}

    def ctx(self) -> Context:
        return Context(
            workspace=self.workspace, values=self.values, send=lambda verb, data: self.said.append((verb, data))
        )

    def propose(self, analysis: Analysis) -> Architecture:
        found = local.propose_architecture(analysis, local.register_targets()[0])
        assert found is not None
        return found

    def deploy(
        self, analysis: Analysis, *, number: int | None = None, checkpoint: dict[str, object] | None = None
    ) -> Outcome:
        self.number = number or self.number + 1
        release = Release(f"r{self.number}", DEPLOYMENT, self.number, "b1", "running", checkpoint=checkpoint)
        source = SourceTree.open(self.source)
        return local.deploy_requested(self.deployment, release, analysis, self.propose(analysis), source, self.ctx())

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_text(content)

    def destroy(self, *, keep: bool = False) -> Outcome:
        return local.destroy_requested(self.deployment, keep, self.ctx())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    workspace, source = tmp_path / "work space", tmp_path / "source"
    workspace.mkdir()
    source.mkdir()
    made = Place(workspace, source, {}, [])
    yield made
    made.destroy()


def web(command: str = "python3 app.py", **more: object) -> Service:
    process = Process("web", "web", "web", command, [Port(8000, public=True)], public=True)
    base = Service(root=".", build_root=".", name="app", kind="web", processes=[process], start_command=command)
    return replace(base, **more)  # type: ignore[arg-type]  # fields of the test's choosing


def get(url: str | None, path: str = "/") -> tuple[int, str]:
    assert url is not None
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def page(word: str, status: int = 200) -> dict[str, str]:
    return {"app.py": SERVER.replace("WORD", word).replace("STATUS", str(status)), "data/.keep": ""}


def marked() -> list[str]:
    """Command lines of all processes of the test's deployment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if f"AUTOSTACK_DEPLOYMENT={DEPLOYMENT}/".encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
    return found


STORED = {"volumes": [Volume("data", "database")]}


def test_a_web_process_runs_answers_and_ends(place: Place) -> None:
    place.write(page("hello"))
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url) == (200, "hello 3 ")  # two health answers came first
    assert place.destroy().state == "done"
    assert marked() == []
    assert not place.workspace.exists()


def test_data_and_port_survive_a_new_release(place: Place) -> None:
    place.write(page("one"))
    first = place.deploy(Analysis(services=[web(**STORED)]))
    place.write(page("two"))
    second = place.deploy(Analysis(services=[web(**STORED)]))
    assert second.url == first.url
    assert get(second.url) == (200, "two 5 ")


def test_a_database_file_beside_the_code_survives_a_new_release(place: Place) -> None:
    place.write({"app.py": page("one")["app.py"].replace("data/notes.db", "notes.db")})
    analysis = Analysis(services=[web(volumes=[Volume("notes.db", "database")])])
    place.deploy(analysis)
    second = place.deploy(analysis)
    assert get(second.url)[1].startswith("one 5")
    assert (place.workspace / "data" / "notes.db").is_file()


def test_down_keeps_data_and_port_and_up_starts_again(place: Place) -> None:
    place.write(page("here"))
    analysis = Analysis(services=[web(**STORED)])
    first = place.deploy(analysis)
    assert place.destroy(keep=True).state == "done"
    assert marked() == []
    again = place.deploy(analysis, number=1)
    assert again.url == first.url
    assert get(again.url) == (200, "here 5 ")


def test_the_former_release_runs_again_when_the_new_one_dies(place: Place) -> None:
    place.write(page("good"))
    analysis = Analysis(services=[web(**STORED)])
    first = place.deploy(analysis)
    place.write({"app.py": "raise SystemExit('no such table: wishes')"})
    second = place.deploy(analysis)
    assert second.state == "failed"
    assert second.reason is not None
    assert "no such table: wishes" in second.reason
    assert "Release 1 runs again" in second.reason
    assert get(first.url)[1].startswith("good")


def test_a_release_that_answers_500_is_not_healthy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LIMIT_S", 2.0)
    place.write(page("broken", 500))
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    assert outcome.state == "failed"
    assert marked() == []


def test_asked_again_for_a_running_release_changes_nothing(place: Place) -> None:
    place.write(page("same"))
    analysis = Analysis(services=[web(**STORED)])
    place.deploy(analysis)
    before = Workspace(place.workspace).state()
    place.said.clear()
    again = place.deploy(analysis, number=1)
    assert again.state == "done"
    assert Workspace(place.workspace).state() == before
    assert [verb for verb, _ in place.said if verb == "started"] == []


def test_the_release_command_runs_once_for_a_release(place: Place) -> None:
    place.write(page("migrated"))
    migrate = Process("release", "release", "release", "echo run >> data/migrations.txt")
    service = web(**STORED)
    analysis = Analysis(services=[replace(service, processes=[migrate, *service.processes])])
    assert place.deploy(analysis).state == "done"
    place.destroy(keep=True)
    assert place.deploy(analysis, number=1, checkpoint={"step": "released"}).state == "done"
    assert (place.workspace / "data/data/migrations.txt").read_text() == "run\n"
    assert ("checkpoint", {"step": "released"}) in place.said


def test_an_interrupted_release_command_is_not_repeated(place: Place) -> None:
    place.write(page("x"))
    outcome = place.deploy(Analysis(services=[web()]), checkpoint={"step": "release command began"})
    assert outcome.state == "failed"
    assert "interrupted" in (outcome.reason or "")


def test_a_failing_release_command_leaves_the_former_release_running(place: Place) -> None:
    place.write(page("old"))
    service = web(**STORED)
    first = place.deploy(Analysis(services=[service]))
    migrate = Process("release", "release", "release", "echo cannot migrate; exit 3")
    second = place.deploy(Analysis(services=[replace(service, processes=[migrate, *service.processes])]))
    assert second.state == "failed"
    assert "cannot migrate" in (second.reason or "")
    assert "code 3" in (second.reason or "")
    assert get(first.url)[1].startswith("old")


def test_given_values_reach_the_application_and_the_machines_do_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "machine")
    monkeypatch.setenv("SOME_TOKEN", "machine")
    place.values["GREETING"] = "good day"
    place.write(page("hi"))
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    assert get(outcome.url)[1].endswith("good day")
    (process,) = Workspace(place.workspace).state().processes
    seen = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"machine" not in seen
    kept = b"".join(p.read_bytes() for p in place.workspace.rglob("*.json"))
    assert b"good day" not in kept


def test_secrets_of_the_applications_own_are_made_once(place: Place) -> None:
    place.write({"app.py": page("key")["app.py"].replace("GREETING", "SECRET_KEY"), "data/.keep": ""})
    analysis = Analysis(services=[web(env=[Env("SECRET_KEY", required=True, secret=True)], **STORED)])
    first = get(place.deploy(analysis).url)[1].split()[-1]
    second = get(place.deploy(analysis).url)[1].split()[-1]
    assert len(first) == 50
    assert first == second
    assert (place.workspace / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_needed_postgres_is_declined_until_an_address_is_given(place: Place) -> None:
    place.write(page("pg"))
    database = Resource("db", "postgres", used_by=["."], env=[ResourceEnv("DATABASE_URL", "url")])
    analysis = Analysis(services=[web(**STORED)], resources=[database])
    architecture = place.propose(analysis)
    assert architecture.declined is None
    assert architecture.externals == ["DATABASE_URL"]
    release = Release("r1", DEPLOYMENT, 1, "b1", "planned")
    source = SourceTree.open(place.source)
    with pytest.raises(Declined, match=r"needs Postgres: give --env DATABASE_URL=.*target compose"):
        local.plan_requested(place.deployment, release, analysis, architecture, source, place.ctx())
    assert place.deploy(analysis).state == "failed"
    place.values["DATABASE_URL"] = "postgresql://localhost/x"
    assert place.deploy(analysis).state == "done"


def test_the_plan_says_what_will_run(place: Place) -> None:
    place.write(page("plan"))
    python = Toolchain("python", ".", "pip", "pip install -r requirements.txt", runtime=Runtime("python"))
    service = web(
        runtime=Runtime("python"), toolchains=[python], install_command="pip install -r requirements.txt", **STORED
    )
    analysis = Analysis(services=[service])
    release = Release("r1", DEPLOYMENT, 1, "b1", "planned")
    plan = local.plan_requested(
        place.deployment, release, analysis, place.propose(analysis), SourceTree.open(place.source), place.ctx()
    )
    assert plan.calls == ["pip install -r requirements.txt", "python3 app.py"]
    assert [(c.action, c.kind, c.name) for c in plan.changes] == [("add", "folder", "data"), ("add", "process", "app")]
    assert str(place.workspace) in plan.body
    assert list(place.workspace.iterdir()) == []


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        (Analysis(), "no service was found"),
        (Analysis(services=[web(processes=[Process("cli", "cli", "cli", "tool")])]), "no start command"),
    ],
)
def test_what_cannot_run_here_is_declined(place: Place, analysis: Analysis, words: str) -> None:
    assert words in (place.propose(analysis).declined or "")


def test_a_cron_process_is_an_assumption_not_a_task(place: Place) -> None:
    service = web()
    nightly = Process("nightly", "cron", "cron", "python3 report.py", schedule="0 3 * * *")
    architecture = place.propose(Analysis(services=[replace(service, processes=[*service.processes, nightly])]))
    assert [c.id for c in architecture.components] == ["app"]
    assert any("0 3 * * *" in text for text in architecture.assumptions)


def test_a_program_that_ignores_port_is_found_where_it_listens(place: Place) -> None:
    place.write({"app.py": page("fixed")["app.py"].replace('int(os.environ["PORT"])', "0"), "data/.keep": ""})
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url)[1].startswith("fixed")
    assert "listens on" in (outcome.reason or "")


def test_a_port_that_somebody_else_took_is_named(place: Place) -> None:
    place.write(page("mine"))
    analysis = Analysis(services=[web(**STORED)])
    port = int((place.deploy(analysis).url or "").rpartition(":")[2])
    place.destroy(keep=True)
    with socket.create_server(("127.0.0.1", port)):
        outcome = place.deploy(analysis)
    assert outcome.state == "failed"
    assert f"port {port}" in (outcome.reason or "")


def test_a_worker_beside_the_web_process_runs_and_ends_with_it(place: Place) -> None:
    place.write({**page("both"), "work.py": "import time\nprint('at work', flush=True)\ntime.sleep(600)"})
    service = web(**STORED)
    worker = Process("worker", "worker", "worker", "python3 work.py & wait")
    outcome = place.deploy(Analysis(services=[replace(service, processes=[*service.processes, worker])]))
    assert outcome.state == "done", outcome.reason
    assert any("work.py" in command for command in marked())
    assert any(line == "app-worker | at work" for line in local.deployment_logs(place.deployment, 0, place.ctx()))
    place.destroy(keep=True)
    assert marked() == []


def test_log_lines_keep_their_numbers(place: Place) -> None:
    place.write(page("log"))
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    lines = local.deployment_logs(place.deployment, 0, place.ctx())
    assert any("listening on" in line for line in lines)
    get(outcome.url)
    time.sleep(0.1)
    assert local.deployment_logs(place.deployment, 0, place.ctx())[: len(lines)] == lines
    later = local.deployment_logs(place.deployment, len(lines), place.ctx())
    assert len(later) >= 1
    assert all("GET / " in line for line in later)


def test_status_sees_a_program_that_died(place: Place) -> None:
    place.write(page("status"))
    place.deploy(Analysis(services=[web(**STORED)]))
    assert local.deployment_checked(place.deployment, None, place.ctx()).state == "done"
    (process,) = Workspace(place.workspace).state().processes
    os.killpg(process.pid, signal.SIGKILL)
    time.sleep(0.1)
    found = local.deployment_checked(place.deployment, None, place.ctx())
    assert found.state == "failed"
    assert found.reason == "nothing runs"


def test_a_process_id_that_now_belongs_to_somebody_else_is_left_alone() -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        ticks = processes.start_time(stranger.pid) or ""
        stale = [
            Started("app", stranger.pid, str(int(ticks) - 1), processes.boot()),
            Started("app", stranger.pid, ticks, "another boot"),
        ]
        assert processes.stop(stale, DEPLOYMENT, 0.2) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_an_interrupted_deployer_did_not_write_down_is_ended(place: Place) -> None:
    place.write(page("found"))
    analysis = Analysis(services=[web(**STORED)])
    place.deploy(analysis)
    (place.workspace / "state.json").unlink()
    assert marked() != []
    place.destroy(keep=True)
    assert marked() == []


def test_a_program_that_leaves_its_session_is_ended_too(place: Place) -> None:
    place.write({**page("away"), "work.py": "import os, time\nos.setsid() if os.fork() == 0 else 0\ntime.sleep(593)"})
    service = web(**STORED)
    worker = Process("worker", "worker", "worker", "python3 work.py")
    assert place.deploy(Analysis(services=[replace(service, processes=[*service.processes, worker])])).state == "done"
    assert sum("work.py" in command and "sh" not in command for command in marked()) == 2
    place.destroy(keep=True)
    assert marked() == []


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    started, child = processes.start(
        "app", ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"],
        deployment=DEPLOYMENT, folder=tmp_path,
        environment={"PATH": os.environ["PATH"]}, log=tmp_path / "log", port=None,
    )  # fmt: skip
    end = time.monotonic() + 10
    while "deaf" not in (tmp_path / "log").read_text():  # the shell begins by listening
        assert time.monotonic() < end
        time.sleep(0.02)
    assert processes.alive(started)
    assert processes.stop([started], DEPLOYMENT, 0.5) == []
    assert child.wait(5) == -signal.SIGKILL


def test_cancelling_ends_the_step_and_leaves_the_former_release(place: Place) -> None:
    place.write(page("kept"))
    service = web(**STORED)
    first = place.deploy(Analysis(services=[service]))

    def cancel(*_: object) -> None:
        raise Cancelled

    former = signal.signal(signal.SIGALRM, cancel)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    slow = Process("release", "release", "release", "sleep 597")
    try:
        with pytest.raises(Cancelled):
            place.deploy(Analysis(services=[replace(service, processes=[slow, *service.processes])]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert "sleep\x00597" not in " ".join(p.read_text() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists())
    assert get(first.url)[1].startswith("kept")


def test_a_static_service_is_served_with_its_pages_and_nothing_hidden(place: Place) -> None:
    place.write({"site/index.html": "<h1>Landing</h1>", "site/.secret": "x", "site/style.css": "a{}"})
    service = Service(root=".", build_root=".", name="site", kind="static", static_dir="site")
    outcome = place.deploy(Analysis(services=[service]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url) == (200, "<h1>Landing</h1>")
    assert get(outcome.url, "/some/page") == (200, "<h1>Landing</h1>")
    assert get(outcome.url, "/style.css")[0] == 200
    assert get(outcome.url, "/missing.css")[0] == 404
    assert get(outcome.url, "/.secret")[0] == 404
    assert get(outcome.url, "/../../state.json")[0] == 404


def test_a_frontend_passes_api_requests_to_its_backend(place: Place) -> None:
    place.write({"web/index.html": "front", **{f"api/{name}": text for name, text in page("back").items()}})
    front = Service(
        root="web", build_root="web", name="web", kind="static", static_dir=".",
        calls=[Call("api", "VITE_API")], env=[Env("VITE_API", default="/api", public=True, phase="build")],
    )  # fmt: skip
    back = web(root="api", build_root="api", name="api", volumes=[Volume("data", "database")])
    outcome = place.deploy(Analysis(services=[back, front]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url) == (200, "front")
    assert get(outcome.url, "/api/notes")[1].startswith("back")


def test_python_dependencies_are_installed_once_for_the_same_manifest(place: Place) -> None:
    place.write({
        "vendor/setup.py": "from setuptools import setup; setup(name='greeting', py_modules=['greeting'])",
        "requirements.txt": "packaging\n",
        "app.py": "import packaging\n" + page("libs")["app.py"],
        "data/.keep": "",
    })  # fmt: skip
    service = web(
        "python app.py",
        runtime=Runtime("python", "3.11"),
        package_manager="pip",
        install_command="pip install -r requirements.txt",
        **STORED,
    )
    first = place.deploy(Analysis(services=[service]))
    assert first.state == "done", first.reason
    begun = time.monotonic()
    second = place.deploy(Analysis(services=[service]))
    assert second.state == "done", second.reason
    assert time.monotonic() - begun < 4
    assert any("used again" in str(data) for _, data in place.said)


def test_a_failing_install_is_explained_with_its_output(place: Place) -> None:
    place.write({"app.py": "", "requirements.txt": "./missing-folder\n"})
    service = web(runtime=Runtime("python"), package_manager="pip", install_command="pip install -r requirements.txt")
    outcome = place.deploy(Analysis(services=[service]))
    assert outcome.state == "failed"
    assert "pip install -r requirements.txt" in (outcome.reason or "")
    assert "missing-folder" in (outcome.reason or "")


FORKING = """
import os, signal, socket, time
listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
for _ in range(3):
    if os.fork() == 0:
        while True:
            client, _ = listening.accept()
            client.recv(9999)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            client.close()
PARENT
"""


def answering(program: str, *, parent: str = "") -> dict[str, str]:
    return {"app.py": program.replace("PARENT", parent)}


def test_a_server_with_three_workers_ends_with_all_of_them(place: Place) -> None:
    place.write(answering(FORKING, parent="os.wait()"))
    outcome = place.deploy(Analysis(services=[web()]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url) == (200, "ok")
    assert sum(command.endswith("\0app.py\0") for command in marked()) == 4
    assert place.destroy(keep=True).state == "done"
    assert marked() == []


def test_workers_whose_master_was_killed_are_ended_with_the_next_release(place: Place) -> None:
    place.write(answering(FORKING, parent="os.wait()"))
    analysis = Analysis(services=[web("exec python3 app.py")])
    url = place.deploy(analysis).url
    (master,) = Workspace(place.workspace).state().processes
    os.kill(master.pid, signal.SIGKILL)
    assert get(url) == (200, "ok")  # they serve on
    found = local.deployment_checked(place.deployment, None, place.ctx())
    assert found.state == "done"
    assert f"(pid {master.pid})" not in found.exists[0].id
    assert place.deploy(analysis).state == "done"
    assert sum(command.endswith("\0app.py\0") for command in marked()) == 4


def test_a_server_that_goes_to_the_background_is_found_and_ended(place: Place) -> None:
    background = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    place.write(answering(background + FORKING, parent="time.sleep(600)"))
    outcome = place.deploy(Analysis(services=[web()]))
    assert outcome.state == "done", outcome.reason
    assert get(outcome.url) == (200, "ok")
    assert local.deployment_checked(place.deployment, None, place.ctx()).state == "done"
    place.destroy(keep=True)
    assert marked() == []


def test_a_worker_that_goes_to_the_background_counts_as_running(place: Place) -> None:
    place.write(
        {**page("front"), "work.py": "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\ntime.sleep(591)"}
    )
    service = web(**STORED)
    worker = Process("worker", "worker", "worker", "python3 work.py")
    outcome = place.deploy(Analysis(services=[replace(service, processes=[*service.processes, worker])]))
    assert outcome.state == "done", outcome.reason
    assert local.deployment_checked(place.deployment, None, place.ctx()).state == "done"


def test_a_program_that_never_listens_is_explained(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LIMIT_S", 1.5)
    place.write({"app.py": "import time\nprint('thinking', flush=True)\ntime.sleep(600)"})
    outcome = place.deploy(Analysis(services=[web()]))
    assert outcome.state == "failed"
    assert "it listens on no port" in (outcome.reason or "")
    assert "thinking" in (outcome.reason or "")
    assert marked() == []


def test_a_program_that_ends_after_it_was_well_is_told_by_status(place: Place) -> None:
    leaving = "import threading, os\nthreading.Timer(2.0, lambda: (print('bye', flush=True), os._exit(3))).start()\n"
    place.write({**page("short"), "app.py": leaving + page("short")["app.py"]})
    assert place.deploy(Analysis(services=[web(**STORED)])).state == "done"
    end = time.monotonic() + 10
    while (found := local.deployment_checked(place.deployment, None, place.ctx())).reason != "nothing runs":
        assert time.monotonic() < end, found  # while it is ending, it still runs and doesn't answer
        time.sleep(0.1)
    assert any("bye" in line for line in local.deployment_logs(place.deployment, 0, place.ctx()))


def test_megabytes_of_output_are_cut_to_the_newest_lines(place: Place) -> None:
    talking = "for n in range(150_000): print(f'line {n} ' + 'x' * 90)\n"
    place.write({**page("talk"), "app.py": talking + page("talk")["app.py"]})
    outcome = place.deploy(Analysis(services=[web(**STORED)]))
    assert outcome.state == "done", outcome.reason
    log = Workspace(place.workspace).log("app")
    assert log.stat().st_size > 8 * 2**20
    local.deployment_checked(place.deployment, None, place.ctx())
    assert log.stat().st_size < 2**20
    lines = local.deployment_logs(place.deployment, 0, place.ctx())
    assert len(lines) <= 10_000
    assert any("line 149999 " in line for line in lines)
    get(outcome.url)
    time.sleep(0.2)
    assert "GET / " in local.deployment_logs(place.deployment, 0, place.ctx())[-1]


def test_a_python_that_this_machine_lacks_is_told(place: Place) -> None:
    place.write({**page("old"), "requirements.txt": ""})
    service = web(runtime=Runtime("python", "3.4", "==3.4.*"), **STORED)
    analysis = Analysis(services=[service])
    outcome = place.deploy(analysis)
    assert outcome.state == "done", outcome.reason
    assert "the source asks for Python ==3.4.*; this machine has 3." in (outcome.reason or "")


def test_what_a_killed_deployer_was_installing_is_ended_first(place: Place) -> None:
    place.write(page("next"))
    mark = {"AUTOSTACK_DEPLOYMENT": f"{DEPLOYMENT}/.step", "PATH": os.environ["PATH"]}
    orphan = subprocess.Popen(["/bin/sh", "-c", "sleep 589; true"], env=mark, start_new_session=True)
    assert place.deploy(Analysis(services=[web(**STORED)])).state == "done"
    assert orphan.wait(5) == -signal.SIGTERM
    assert not any("589" in command for command in marked())


def test_what_a_build_leaves_running_is_ended(place: Place) -> None:
    place.write(page("built"))
    service = web(build_command="setsid sleep 587 > /dev/null 2>&1 & true", **STORED)
    assert place.deploy(Analysis(services=[service])).state == "done"
    assert not any("587" in command for command in marked())
