"""What holds for every set of claims: order and repetition never show, and every answer says why."""

import dataclasses
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autostack.core import Analysis, Build, Claim, EnvValue, Evidence, NeedValue, Port, ResourceEnv, VersionValue
from autostack.core.fold import fold


def claim(root, field, value, strength, path, line=None, plugin="plugin"):
    return Claim(root, field, value, strength, [Evidence(path, line, "because")], plugin)


def encoded(analysis):
    return msgspec.json.encode(analysis)


# (plugin, strength, file) -> what it says there: root, field, value
SAID = {
    ("node", "manifest", "pnpm-lock.yaml"): [(".", "node.package_manager", "pnpm")],
    ("node", "manifest", "package-lock.json"): [(".", "node.package_manager", "npm")],
    ("node", "declared", ".nvmrc"): [(".", "node.version", "22")],
    ("node", "manifest", "pnpm-workspace.yaml"): [("frontend", "node.root", ".")],
    ("node", "manifest", "frontend/package.json"): [("frontend", "language", "typescript")],
    ("node", "manifest", "backend/package.json"): [("backend", "language", "javascript")],
    ("node", "manifest", "packages/ui/package.json"): [
        ("packages/ui", "language", "typescript"),
        ("packages/ui", "name", "@shop/ui"),
    ],
    ("compose", "declared", "compose.yaml"): [
        (".", "resources.db.kind", "postgres"),
        (".", "resources.db.version", "16"),
        (".", "resources.db.used_by", ["backend"]),
        (".", "resources.old.kind", "postgres"),
        (".", "auxiliary.mail", "mailpit"),
        ("backend", "processes.api.command", "python manage.py runserver"),
        ("backend", "processes.api.ports", [Port(8000, "http", True)]),
        ("backend", "processes.jobs.command", "celery -A shop worker -c 2"),
        ("backend", "processes.flower.command", "celery -A shop flower"),
    ],
    ("compose", "guess", "compose.yaml"): [("frontend", "processes.web.command", "npm run dev")],
    ("python", "manifest", "backend/pyproject.toml"): [
        ("backend", "language", "python"),
        ("backend", "python.version", VersionValue(">=3.12", "3.13", ["3.12", "3.13"])),
    ],
    ("python", "manifest", "backend/uv.lock"): [("backend", "python.package_manager", "uv")],
    ("python", "convention", "backend/uv.lock"): [("backend", "python.install_command", "uv sync --locked")],
    ("dockerfile", "declared", "backend/Dockerfile"): [("backend", "python.version", "3.11")],
    ("django", "manifest", "backend/pyproject.toml"): [("backend", "framework", "django")],
    ("django", "convention", "backend/manage.py"): [
        ("backend", "processes.web.kind", "web"),
        ("backend", "processes.web.command", "gunicorn shop.wsgi"),
        ("backend", "processes.release.command", "python manage.py migrate"),
        ("backend", "port", 8000),
        ("backend", "volumes.media", "uploads"),
    ],
    ("celery", "convention", "backend/pyproject.toml"): [
        ("backend", "processes.worker.command", "celery -A shop worker"),
    ],
    ("resources", "manifest", "backend/pyproject.toml"): [
        ("backend", "needs.postgres", NeedValue(env=(ResourceEnv("DATABASE_URL", "url"),))),
        ("backend", "needs.redis", True),
    ],
    ("python-code", "convention", "backend/shop/settings.py"): [
        ("backend", "needs.sqlite", True),
        ("backend", "env.SECRET_KEY", EnvValue(required=True, secret=True)),
    ],
    ("dotenv", "convention", "backend/.env.example"): [("backend", "env.SECRET_KEY", EnvValue(default="changeme"))],
    ("vite", "manifest", "frontend/package.json"): [("frontend", "framework", "vite")],
    ("vite", "manifest", "backend/package.json"): [("backend", "framework", "vite")],
    ("vite", "convention", "frontend/vite.config.ts"): [
        ("frontend", "static_dir", "dist"),
        ("frontend", "node.output_dir", "dist"),
        ("frontend", "calls.backend", "VITE_API"),
    ],
    ("static-site", "convention", "examples/demo/index.html"): [("examples/demo", "static_dir", ".")],
    ("broken", "manifest", "x"): [("backend", "nonsense", 1)],
}
MONOREPO = [
    claim(root, field, value, strength, path, line, plugin)
    for (plugin, strength, path), said in SAID.items()
    for line, (root, field, value) in enumerate(said, 1)
]


def test_300_orders_of_a_monorepos_claims_give_one_result():
    dice = random.Random(7)
    results = set()
    for _ in range(300):
        claims = [*MONOREPO, *dice.sample(MONOREPO, 10)]
        dice.shuffle(claims)
        results.add(encoded(fold(claims)))
    assert len(results) == 1
    analysis = fold(MONOREPO)
    assert [service.root for service in analysis.services] == ["backend", "frontend"]
    assert [process.name for process in analysis.services[0].processes] == ["api", "jobs", "release"]
    assert analysis.services[0].start_command == "gunicorn shop.wsgi"


def test_the_hash_seed_never_shows():
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_fold_properties as t; "
        "sys.stdout.buffer.write(t.encoded(t.fold(t.MONOREPO)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert outputs == {encoded(fold(MONOREPO))}


ROOTS = st.sampled_from([".", "api", "web", "packages/ui", "examples/x", "docs", "./api/", "../out"])
STRENGTHS = st.sampled_from(["override", "declared", "manifest", "convention", "guess"])
PLUGINS = st.sampled_from(["one", "two", "three", ""])
COMMANDS = st.sampled_from([
    "gunicorn app:app", "npm run dev", "celery -A x worker", "celery -A x beat", "celery -A x flower", "make run",
    "nginx", "python manage.py migrate && gunicorn x -b :9000", "'open", "node server.js", "alembic upgrade head",
]) | st.text(max_size=20)  # fmt: skip
TEXTS = st.sampled_from(["a", "api", "web", ".", "../x", "@scope/name", ""]) | st.text(max_size=12)
PORTS = st.lists(st.builds(Port, st.integers(0, 70_000), st.sampled_from(["http", "tcp"]), st.booleans()), max_size=3)
ENVS = st.lists(st.builds(ResourceEnv, st.sampled_from(["A", "B"]), st.sampled_from(["url", "host"])), max_size=2)
NEEDS = st.builds(NeedValue, st.booleans(), st.none() | TEXTS, ENVS.map(tuple))
KINDS = st.sampled_from(["web", "worker", "cron", "release", "cli"])
RANGES = st.builds(VersionValue, TEXTS, st.sampled_from(["3.12", "3.13"]), st.none() | st.just(["3.13"]))
VERSIONS = st.sampled_from(["3.12", "3.12.1", ">=3"]) | RANGES
VALUES = {
    "name": TEXTS,
    "kind": st.sampled_from(["web", "worker", "cron", "static", "cli", "no"]),
    "language": st.sampled_from(["python", "typescript", "javascript", "klingon"]),
    "framework": st.sampled_from(["django", "vite", "express", "own"]),
    "libraries": st.lists(TEXTS, max_size=3),
    "library": st.booleans(),
    "part_of": ROOTS,
    "uses": st.lists(ROOTS, max_size=2),
    "auxiliary": TEXTS,
    "auxiliary.db": TEXTS,
    "build_root": ROOTS,
    "port": st.integers(-1, 70_000),
    "port_env": TEXTS,
    "health_path": TEXTS,
    "start_command": COMMANDS,
    "release_command": COMMANDS,
    "install_command": COMMANDS,
    "static_dir": TEXTS,
    "build": st.builds(Build, TEXTS, TEXTS),
    "system_packages.curl": st.sampled_from(["build", "run"]),
    "volumes.data": st.sampled_from(["database", "uploads", "cache", "state"]),
    "env.NAME": st.builds(EnvValue, st.booleans(), st.booleans(), st.none() | st.just("hunter2")),
    "calls.web": st.none() | TEXTS,
    "calls.api": st.none() | TEXTS,
    "images.postgres": st.booleans(),
    "waive.bad-claim": st.booleans(),
    **{f"needs.{kind}": NEEDS for kind in ("postgres", "sqlite", "mysql", "s3")},
    **{f"processes.{name}.command": COMMANDS for name in ("web", "api", "worker", "a b", "x" * 90)},
    **{f"processes.{name}.kind": KINDS for name in ("web", "worker", "api")},
    **{f"processes.{name}.ports": PORTS for name in ("web", "api", "thing")},
    "processes.web.role": TEXTS,
    "processes.web.memory_mib": st.integers(0, 1 << 21),
    "processes.worker.schedule": st.sampled_from(["* * * * *", "daily"]),
    "processes.worker.singleton": st.booleans(),
    "processes.api.build": st.builds(Build, TEXTS, TEXTS),
    "python.version": VERSIONS,
    "python.package_manager": st.sampled_from(["pip", "uv"]),
    "node.package_manager": st.sampled_from(["npm", "pnpm"]),
    "node.root": ROOTS,
    "node.output_dir": TEXTS,
    "node.build_command": COMMANDS,
    "resources.db.kind": st.sampled_from(["postgres", "mysql"]),
    "resources.cache.kind": st.sampled_from(["redis", "postgres"]),
    "resources.db.used_by": st.lists(ROOTS, max_size=3),
    "resources.db.env": ENVS,
    "resources.db.required": st.booleans(),
    "resources.x.y.version": TEXTS,
    "nonsense": st.integers(),
}  # fmt: skip
PATHS = st.sampled_from(["Procfile", "compose.yaml", "Dockerfile", "package.json", "uv.lock", "a/b.py", ""])
EVIDENCE = st.lists(st.builds(Evidence, PATHS, st.none() | st.integers(1, 9), st.just("x")), min_size=1, max_size=2)
CLAIMS = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda field: st.builds(Claim, ROOTS, st.just(field), VALUES[field], STRENGTHS, EVIDENCE, PLUGINS)
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(CLAIMS, st.randoms(use_true_random=False))
def test_order_and_repetition_never_show(claims, dice):
    first = encoded(fold(claims))
    again = [*claims, *claims[:5]]
    dice.shuffle(again)
    assert encoded(fold(again)) == first


@settings(max_examples=100, deadline=None)
@given(CLAIMS)
def test_an_encoded_analysis_reads_back_as_itself(claims):
    analysis = fold(claims)
    assert msgspec.json.decode(encoded(analysis), type=Analysis) == analysis


FLAT = (
    "language", "framework", "package_manager", "package_manager_version", "install_command", "build_command",
    "start_command", "release_command", "port", "port_env", "health_path", "static_dir", "build", "name", "kind",
    "runtime.version",
)  # fmt: skip
PROCESS = ("command", "ports", "health_path", "schedule", "memory_mib", "build", "kind", "role", "public", "singleton")


@settings(max_examples=100, deadline=None)
@given(CLAIMS)
def test_every_answer_says_why(claims):
    analysis = fold(claims)
    for service in analysis.services:
        for name in FLAT:
            answer = service
            for part in name.split("."):
                answer = getattr(answer, part) if answer is not None else None
            if answer is not None:
                assert analysis.why[f"{service.root}#{name}"].value == msgspec.to_builtins(answer), name
        for process in service.processes:
            for name in PROCESS:
                answer = getattr(process, name)
                if answer:
                    why = analysis.why[f"{service.root}#processes.{process.name}.{name}"]
                    assert why.value == msgspec.to_builtins(answer), name
        assert {f"{service.root}#env.{env.name}" for env in service.env} <= set(analysis.why)
        assert f"{service.root}#service" in analysis.why
    for resource in analysis.resources:
        assert f"resources#{resource.name}.kind" in analysis.why
    for conflict in analysis.conflicts:
        assert analysis.why[f"{conflict.root}#{conflict.field}"].value == conflict.chosen
        assert conflict.chosen not in [other.value for other in conflict.others]


@settings(max_examples=100, deadline=None)
@given(CLAIMS)
def test_names_are_labels_relations_hold_and_secrets_stay_hidden(claims):
    analysis = fold(claims)
    names = [service.name for service in analysis.services]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)
    roots = {service.root for service in analysis.services}
    assert not roots & {library.root for library in analysis.libraries}
    resources = {resource.name: resource for resource in analysis.resources}
    for service in analysis.services:
        assert {call.service for call in service.calls} <= set(names) - {service.name}
        assert all(service.root in resources[need].used_by for need in service.needs)
        assert len({process.name for process in service.processes}) == len(service.processes)
        secret = [env for env in service.env if env.secret]
        shown = [analysis.why[f"{service.root}#env.{env.name}"] for env in secret]
        assert "hunter2" not in repr([secret, shown])
        assert service.kind == "static" or service.processes
    assert all(set(resource.used_by) <= roots for resource in analysis.resources)


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(Analysis)])
def test_all_keys_are_present(part):
    assert part in msgspec.json.decode(encoded(fold([])))


def thousand_roots():
    for at in range(1000):
        path = f"services/s{at}/Procfile"
        yield claim(f"services/s{at}", "processes.web.command", "gunicorn app:app", "declared", path)
        yield claim(f"services/s{at}", "name", "app", "manifest", path)
        yield claim(f"services/s{at}", "needs.postgres", True, "manifest", path)
        yield claim(f"services/s{at}", f"calls.s{at + 1}", None, "manifest", path)
        yield claim(".", f"resources.db{at}.kind", "postgres", "declared", "compose.yaml")


def thousand_processes():
    for at in range(1000):
        yield claim(".", f"processes.a{at}.command", f"gunicorn a{at}", "declared", "Procfile", at)
        yield claim(".", f"processes.b{at}.command", f"gunicorn b{at}", "declared", "compose.yaml", at)
        yield claim(".", f"processes.c{at}.ports", [Port(at + 1)], "declared", "Dockerfile", at)
        yield claim(".", "start_command", "exec " * 1000 + str(at), "convention", "a.py", at)


@pytest.mark.parametrize("claims", [thousand_roots, thousand_processes])
@pytest.mark.timeout(60)  # it ends at all
def test_thousands_of_claims_are_folded(claims):
    assert fold(list(claims())).services


def test_processes_beyond_the_limit_are_left_out_and_that_is_said():
    analysis = fold(list(thousand_processes()))
    assert len(analysis.services[0].processes) <= 100
    assert [finding.rule for finding in analysis.findings] == ["too-many-processes"]
