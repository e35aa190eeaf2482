"""Procfile, app.json and heroku.yml: processes, variables and add-ons as Heroku and its like read them.

https://devcenter.heroku.com/articles/procfile, https://devcenter.heroku.com/articles/app-json-schema
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from autostack.core import Claim, Evidence, NeedValue, ResourceEnv, SourceTree, hookimpl, roles
from autostack.core.model import ProcessKind
from autostack.core.source import above, folder, join
from autostack.core.strengths import Strength
from autostack.plugins.analyzers.manifests import command, environment, node, roots
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests.shape import at, mapping, sequence, text, words

_LINE = re.compile(r"([A-Za-z0-9_-]{1,63})\s*:\s*(\S.*)")
MAX_PROCESSES = 50

# add-on -> (kind of resource, the variable that it sets)
ADDONS: dict[str, tuple[str, str]] = {
    "heroku-postgresql": ("postgres", "DATABASE_URL"), "heroku-redis": ("redis", "REDIS_URL"),
    "rediscloud": ("redis", "REDISCLOUD_URL"), "jawsdb": ("mysql", "JAWSDB_URL"),
    "cleardb": ("mysql", "CLEARDB_DATABASE_URL"), "cloudamqp": ("rabbitmq", "CLOUDAMQP_URL"),
    "memcachier": ("memcached", "MEMCACHIER_SERVERS"), "bonsai": ("elasticsearch", "BONSAI_URL"),
    "heroku-kafka": ("kafka", "KAFKA_URL"), "mongolab": ("mongodb", "MONGODB_URI"),
    "ormongo": ("mongodb", "ORMONGO_URL"),
}  # fmt: skip


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """What these files say about the folder they stand in."""
    claims: list[Claim] = []
    for path in source.named("Procfile"):
        if _belongs_elsewhere(source, folder(path)):
            continue
        for number, line in enumerate((source.text(path) or "").splitlines()[:1000], 1):
            match = _LINE.fullmatch(line.partition(" #")[0].strip())
            if match and not line.lstrip().startswith("#") and "\0" not in line:
                claims += _process(source, path, number, match[1], match[2])
    for path in source.named("app.json"):
        claims += _app_json(source, path)
    for path in source.named("heroku.yml"):
        claims += _heroku(source, path)
    return claims


def _belongs_elsewhere(source: SourceTree, root: str) -> bool:
    """Whether a folder without code of its own lies below one that has it: there a package is built, say."""
    if roots.has_manifest(source, root) or join(root, "Dockerfile") in source:
        return False
    return any(roots.has_manifest(source, up) for up in above(root)[1:])


def _process(source: SourceTree, path: str, line: int | None, name: str, typed: str) -> Iterator[Claim]:
    root, typed = _moved(source, folder(path), typed[: command.MAX_COMMAND])
    kind: ProcessKind = "release" if name == "release" else "web" if name == "web" else "worker"
    if kind == "worker":
        kind = command.kind(typed, name, default="worker") or "worker"
    strength: Strength = "guess" if roles.is_development(typed) else "declared"
    evidence = [Evidence(path, line, f"process {name}")]
    yield Claim(root, f"processes.{name}.kind", kind, strength, evidence)
    yield Claim(root, f"processes.{name}.command", typed, strength, evidence)
    if name == "web" and re.search(r"\$\{?PORT\b", typed):
        yield Claim(root, "port_env", "PORT", strength, evidence)
    if kind == "worker" and command.is_singleton(typed, name):
        yield Claim(root, f"processes.{name}.singleton", True, strength, evidence)


_INTO = re.compile(r"cd\s+([\w./-]{1,200})\s*&&\s*(\S.*)")
_SCRIPT = re.compile(r"(?:npm|pnpm|yarn|bun)(?: run)? ([\w:.-]+)")
_PREFIX = re.compile(
    r"npm\s+(?:--prefix[ =]([\w./-]{1,200})\s+)?(?:run\s+)?([\w:-]+)(?:\s+--prefix[ =]([\w./-]{1,200}))?"
)


def _moved(source: SourceTree, root: str, typed: str) -> tuple[str, str]:
    """`cd server && npm start` at the top runs the code of `server`, if that is where the manifest is."""
    own = node.package(source, root)
    if own is not None and frameworks.framework(source, own) is None:
        match = _SCRIPT.fullmatch(typed)
        script = node.resolved(own.scripts, match[1]) if match else typed
        below = frameworks.runs_below(source, root, script or "")
        if below and script:
            return below, re.sub(rf"(?<![\w./-])(?:\./)?{re.escape(node.relative(root, below))}/(?=\w)", "", script)
    into, prefix = _INTO.fullmatch(typed), _PREFIX.fullmatch(typed)
    inside = into[1] if into else (prefix[1] or prefix[3]) if prefix else None
    if inside is None:
        return root, typed
    place = posixpath.normpath(join(root, inside))
    if place.startswith("..") or roots.has_manifest(source, root) or not roots.has_manifest(source, place):
        return root, typed
    return place, into[2] if into else f"npm run {prefix[2]}" if prefix else typed


# ---------------------------------------------------------------------------------------------- app.json


def _app_json(source: SourceTree, path: str) -> Iterator[Claim]:
    parsed = mapping(source.json(path))
    root = folder(path)
    for name, given in mapping(parsed.get("env")).items():
        value = text(given) or text(at(given, "value"))
        generated = at(given, "generator") == "secret"
        required = at(given, "required") is not False and value is None
        setting = environment.setting(name, value, required)
        if setting and generated:
            setting = replace(setting, secret=True, default=None)
        if setting:
            evidence = [Evidence(path, source.json_line(path, "env", name), "app.json env")]
            yield Claim(root, f"env.{name}", setting, "declared", evidence)
    for addon in sequence(parsed.get("addons")):
        plan = text(addon) or text(at(addon, "plan")) or ""
        known = ADDONS.get(plan.partition(":")[0])
        if known:
            evidence = [Evidence(path, source.json_line(path, "addons"), f"add-on {plan}")]
            yield Claim(root, f"needs.{known[0]}", NeedValue(env=(ResourceEnv(known[1], "url"),)), "declared", evidence)
    for number, job in enumerate(list(sequence(parsed.get("cron")))[:MAX_PROCESSES], 1):
        typed, schedule = text(at(job, "command")), text(at(job, "schedule"))
        if typed and schedule and len(schedule.split()) == 5:
            name, evidence = f"cron-{number}", [Evidence(path, source.json_line(path, "cron", number - 1), "cron")]
            yield Claim(root, f"processes.{name}.kind", "cron", "declared", evidence)
            yield Claim(root, f"processes.{name}.command", typed, "declared", evidence)
            yield Claim(root, f"processes.{name}.schedule", " ".join(schedule.split()), "declared", evidence)


def _heroku(source: SourceTree, path: str) -> Iterator[Claim]:
    """https://devcenter.heroku.com/articles/build-docker-images-heroku-yml"""
    parsed = mapping(source.yaml(path))
    for name, given in mapping(parsed.get("run")).items():
        typed = " && ".join(words(at(given, "command"))) or text(given)
        if typed and _LINE.fullmatch(f"{name}: {typed}"):
            yield from _process(source, path, source.yaml_line(path, "run", name), name, typed)
    released = " && ".join(words(at(parsed, "release", "command")))
    if released:
        yield from _process(source, path, source.yaml_line(path, "release", "command"), "release", released)
