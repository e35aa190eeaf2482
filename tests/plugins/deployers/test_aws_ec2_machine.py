"""The scripts that run on the machine, run here: real bash, Python, tar and HTTP; docker, aws, systemctl are stand-ins.

The stand-ins are small shell scripts that write down how they were called, and answer as the tools would.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from autostack.core.context import Context
from autostack.core.model import (
    Analysis,
    Env,
    GeneratedFile,
    Port,
    Process,
    Resource,
    ResourceEnv,
    Service,
    Volume,
)
from autostack.core.source import SourceTree
from autostack.plugins.deployers import aws_ec2

DOCKER = r"""#!/bin/bash
echo "docker $*" >> "$CALLS"
case "$*" in
  *" ps -q "*) echo container ;;
  "inspect "*) echo 127.0.0.1 ;;
  "image inspect "*) exit 1 ;;
esac
if [ -n "${FAIL:-}" ] && [[ "$*" == *$FAIL* ]]; then exit 1; fi
exit 0
"""
AWS = r"""#!/bin/bash
echo "aws $*" >> "$CALLS"
case "$*" in
  "ssm get-parameters-by-path"*) cat "$PARAMETERS" ;;
  "s3 cp --only-show-errors --region eu-west-1 s3://"*) cp "$UPLOADED" "${@: -1}" ;;
  "s3 cp"*) cat > "$DUMPED" ;;
esac
"""
SYSTEMCTL = '#!/bin/bash\necho "systemctl $*" >> "$CALLS"\n'


class Machine:
    """A folder that looks like the machine after its first start."""

    def __init__(self, folder: Path, health: int) -> None:
        self.home = folder / "home"
        self.units = folder / "units"
        self.calls = folder / "calls"
        self.parameters = folder / "parameters.json"
        self.dump = folder / "dump"
        self.status = health
        for made in (self.home / "releases", self.units, folder / "bin"):
            made.mkdir(parents=True)
        for name, text in (("docker", DOCKER), ("aws", AWS), ("systemctl", SYSTEMCTL)):
            tool = folder / "bin" / name
            tool.write_text(text)
            tool.chmod(0o755)
        (self.home / "host.env").write_text("DEPLOYMENT=d\nREGION=eu-west-1\nBUCKET=b\nLOG_GROUP=/autostack/d\n")
        self.give(STRIPE_KEY="sk'\"$x\nline two")
        self.path = f"{folder / 'bin'}:{os.environ['PATH']}"

    def give(self, **values: str) -> None:
        found = [{"Name": f"/autostack/d/env/{name}", "Value": value} for name, value in values.items()]
        self.parameters.write_text(json.dumps({"Parameters": found}))

    def add(self, release: str, files: list[GeneratedFile]) -> None:
        for file in files:
            path = self.home / "releases" / release / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            # two seconds are enough here for a program that never answers, and nobody has requests under way
            text = re.sub(r"(healthy shop \d+ \S+) 120", r"\1 2", file.content)
            path.write_text(text.replace("sleep 5 #", "sleep 0 #").replace("sleep 1\n", "sleep 0.1\n"))
        (self.home / "releases" / release / ".autostack-sha256").write_text("f" * 64 + "\n")

    def run(self, release: str, *words: str, fail: str = "") -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        script = self.home / "releases" / release / "deploy" / "aws-ec2" / "release.sh"
        return self.bash(str(script), *words, FAIL=fail)

    def bash(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", *words],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": self.path,
                "CALLS": str(self.calls),
                "PARAMETERS": str(self.parameters),
                "DUMPED": str(self.dump),
                "AUTOSTACK_HOME": str(self.home),
                "AUTOSTACK_UNITS": str(self.units),
                **environment,
            },
        )

    def called(self, part: str) -> list[int]:
        """The positions, in the order of calls, of those that contain a text."""
        return [n for n, line in enumerate(self.calls.read_text().splitlines()) if part in line]

    @property
    def current(self) -> str | None:
        link = self.home / "current"
        return os.readlink(link).removeprefix("releases/") if link.is_symlink() else None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine", 200)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(made.status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for release in ("r1", "r2"):
        made.add(release, shop(tmp_path / "source", server.server_port))
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def shop(source: Path, port: int) -> list[GeneratedFile]:
    source.mkdir(exist_ok=True)
    service = Service(
        ".",
        ".",
        "shop",
        "web",
        start_command="python app.py",
        port=port,
        health_path="/health",
        processes=[
            Process("web", "web", "web", "python app.py", ports=[Port(port, public=True)], public=True),
            Process("beat", "worker", "worker:celery-beat", "celery beat", singleton=True),
            Process("migrate", "release", "release", "python migrate.py"),
            Process("nightly", "cron", "cron", "python clean.py", schedule="30 2 * * *"),
        ],
        env=[Env("SECRET_KEY", required=True, secret=True), Env("STRIPE_KEY", required=True, secret=True)],
        volumes=[Volume("media", "uploads")],
        needs=["db"],
    )
    database = Resource("db", "postgres", "16", used_by=["."], env=[ResourceEnv("DATABASE_URL", "url")])
    analysis = Analysis(services=[service], resources=[database])
    [target] = aws_ec2.register_targets()
    proposed = aws_ec2.propose_architecture(analysis, target, Context())
    assert proposed is not None
    with SourceTree.open(source) as tree:
        made = aws_ec2.analysis_done(analysis, {"aws-ec2": proposed}, tree, Context())
    return [file for file in made if isinstance(file, GeneratedFile)]


def test_a_first_release_builds_migrates_starts_checks_and_is_routed_to(machine: Machine) -> None:
    done = machine.run("r1", "put")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"release": "r1", "state": "done", "previous": ""}
    assert machine.current == "r1"
    order = [
        machine.called("docker build -q"),
        machine.called("-p host"),
        machine.called("run --rm --no-deps -T shop-migrate"),
        machine.called("up -d --no-deps --wait --wait-timeout 180 shop shop-beat"),
        machine.called("caddy reload"),
    ]
    assert [positions[0] for positions in order] == sorted(positions[0] for positions in order)
    assert "reverse_proxy shop-r1:" in (machine.home / "caddy" / "Caddyfile").read_text()


def test_values_reach_the_application_unchanged_in_a_file_for_root_alone(machine: Machine) -> None:
    machine.run("r1", "put")
    path = machine.home / "values" / "r1.json"
    values = json.loads(path.read_text())["services"]
    assert set(values) == {"shop", "shop-beat", "shop-migrate", "shop-nightly"}
    assert values["shop"]["environment"] == {"STRIPE_KEY": "sk'\"$$x\nline two"}  # compose reads $$ as $
    assert path.stat().st_mode & 0o777 == 0o600


def test_passwords_are_made_once_and_stay(machine: Machine) -> None:
    machine.run("r1", "put")
    first = (machine.home / "secrets.env").read_text()
    assert re.fullmatch(r"DB_PASSWORD=[0-9a-f]{48}\nSECRET_KEY=[0-9a-f]{48}\n", first)
    assert (machine.home / "secrets.env").stat().st_mode & 0o777 == 0o600
    machine.run("r2", "put")
    assert (machine.home / "secrets.env").read_text() == first


def test_a_missing_value_stops_before_anything_is_done(machine: Machine) -> None:
    machine.give(OTHER="x")
    done = machine.run("r1", "put")
    assert done.returncode != 0
    assert "no value for STRIPE_KEY" in done.stderr
    assert machine.called("docker") == []
    assert machine.current is None


def test_the_next_release_starts_before_the_former_one_ends(machine: Machine) -> None:
    machine.run("r1", "put")
    done = machine.run("r2", "put")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["previous"] == "r1"
    [singleton] = machine.called("-p release-r1 stop -t 30 shop-beat")
    [start] = machine.called("-p release-r2 -f") and machine.called("up -d --no-deps")
    [reload] = machine.called("caddy reload")
    [end] = machine.called("-p release-r1 down")
    assert singleton < start < reload < end
    assert machine.current == "r2"
    assert os.readlink(machine.home / "previous") == "releases/r1"


def test_an_unhealthy_release_is_taken_away_and_the_former_one_stays(machine: Machine) -> None:
    machine.run("r1", "put")
    machine.status = 503
    done = machine.run("r2", "put")
    assert done.returncode == 1
    assert "shop doesn't answer on port" in done.stderr
    assert machine.called("caddy reload") == []
    assert machine.called("-p release-r1 start") != []
    assert machine.called("down") != []
    assert machine.current == "r1"
    assert "shop-r1:" in (machine.home / "caddy" / "Caddyfile").read_text()


def test_a_failing_release_step_leaves_the_former_release_untouched(machine: Machine) -> None:
    machine.run("r1", "put")
    done = machine.run("r2", "put", fail="shop-migrate")
    assert done.returncode == 1
    assert "release step shop-migrate failed" in done.stderr
    assert machine.called("up -d --no-deps") == []
    assert machine.called("-p release-r1 stop") == []
    assert machine.current == "r1"


def test_settings_that_the_web_server_refuses_are_taken_back(machine: Machine) -> None:
    machine.run("r1", "put")
    done = machine.run("r2", "put", fail="caddy reload")
    assert done.returncode == 1
    assert machine.current == "r1"
    assert "shop-r1:" in (machine.home / "caddy" / "Caddyfile").read_text()


def test_going_back_is_the_earlier_release_again(machine: Machine) -> None:
    machine.run("r1", "put")
    machine.run("r2", "put")
    done = machine.run("r1", "put")
    assert done.returncode == 0, done.stderr
    assert machine.current == "r1"
    assert "shop-r1:" in (machine.home / "caddy" / "Caddyfile").read_text()


def test_the_serving_release_is_never_taken_away_by_its_own_repetition(machine: Machine) -> None:
    machine.run("r1", "put")
    machine.status = 503
    done = machine.run("r1", "put")
    assert done.returncode == 1
    assert machine.called("down") == []


def test_timers_are_written_and_those_of_former_releases_removed(machine: Machine) -> None:
    (machine.units / "autostack-gone.timer").write_text("[Timer]\n")
    (machine.units / "autostack-gone.service").write_text("[Service]\n")
    machine.run("r1", "put")
    assert sorted(path.name for path in machine.units.iterdir()) == [
        "autostack-backup.daily.service",
        "autostack-backup.daily.timer",
        "autostack-shop-nightly.service",
        "autostack-shop-nightly.timer",
    ]
    assert "OnCalendar=*-*-* 02:30:00 UTC\n" in (machine.units / "autostack-shop-nightly.timer").read_text()
    assert "release.sh cron shop-nightly\n" in (machine.units / "autostack-shop-nightly.service").read_text()
    assert machine.called("systemctl disable --now autostack-gone.timer") != []


def test_a_job_runs_in_the_current_release(machine: Machine) -> None:
    machine.run("r1", "put")
    machine.calls.write_text("")
    script = machine.home / "current" / "deploy" / "aws-ec2" / "release.sh"  # by the link, as the timer does
    done = machine.bash(str(script), "cron", "shop-nightly")
    assert done.returncode == 0, done.stderr
    assert machine.called("-p release-r1") == machine.called("--profile cron run --rm --no-deps -T shop-nightly") != []


def test_databases_are_dumped_to_the_bucket(machine: Machine) -> None:
    machine.run("r1", "put")
    done = machine.run("r1", "backup")
    assert done.returncode == 0, done.stderr
    assert machine.called("exec -T db /bin/sh -c pg_dump -U app app") != []
    assert machine.called("s3://b/backups/db-") != []
    assert machine.dump.read_bytes()[:2] == b"\x1f\x8b"  # gzip


@pytest.fixture
def receive(machine: Machine, tmp_path: Path) -> Path:
    """The receiver as user data writes it, with the machine's folder in place of /opt/autostack."""
    source = tmp_path / "other"
    body = next(file.content for file in shop(source, 80) if file.path.endswith("cloudformation.yaml"))
    instance = yaml.safe_load(body)["Resources"]["Instance"]
    script = instance["Properties"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    found = re.search(r"cat > /usr/local/sbin/autostack-receive <<'END'\n(.*?)\nEND\n", script, re.DOTALL)
    assert found is not None
    assert "${" not in found[1]  # CloudFormation would look for a parameter
    path = tmp_path / "receive"
    path.write_text(found[1].replace("/opt/autostack", str(machine.home)))
    (machine.home / "ready").touch()
    return path


def archive(path: Path, script: str) -> str:
    tree = path.parent / "tree" / "deploy" / "aws-ec2"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "release.sh").write_text(script)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(path.parent / "tree", ".")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_release_is_fetched_verified_unpacked_and_handed_over(
    machine: Machine, receive: Path, tmp_path: Path
) -> None:
    sha = archive(tmp_path / "r3.tar.gz", 'echo "$1 in $(basename "$(cd "$(dirname "$0")/../.." && pwd)")"\n')
    for _ in range(2):  # the second time it is there already
        done = machine.bash(str(receive), "r3", sha, UPLOADED=str(tmp_path / "r3.tar.gz"))
        assert (done.returncode, done.stdout) == (0, "put in r3\n"), done.stderr
    assert len(machine.called("aws s3 cp")) == 1


def test_a_damaged_archive_leaves_nothing_behind(machine: Machine, receive: Path, tmp_path: Path) -> None:
    archive(tmp_path / "r3.tar.gz", "echo never\n")
    done = machine.bash(str(receive), "r3", "0" * 64, UPLOADED=str(tmp_path / "r3.tar.gz"))
    assert done.returncode != 0
    assert "never" not in done.stdout
    assert sorted(path.name for path in (machine.home / "releases").iterdir()) == ["r1", "r2"]


def test_a_release_id_is_not_used_for_other_content(machine: Machine, receive: Path, tmp_path: Path) -> None:
    done = machine.bash(str(receive), "r1", "0" * 64, UPLOADED=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "with other content" in done.stderr


@pytest.mark.parametrize("words", [("r3;reboot", "0" * 64), ("r3", "abc"), ("../x", "0" * 64), ("R3", "0" * 64)])
def test_only_ids_and_checksums_are_taken(machine: Machine, receive: Path, words: tuple[str, str]) -> None:
    assert machine.bash(str(receive), *words).returncode == 2
