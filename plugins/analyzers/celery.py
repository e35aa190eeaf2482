"""Background workers of Python applications: Celery with its beat, and the other queues as rows of a table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core import Claim, Evidence, NeedValue, ResourceEnv, hookimpl
from autostack.plugins.analyzers.manifests.environment import scheme
from autostack.plugins.analyzers.manifests.python import Dependency, inside, roots, runtime
from autostack.plugins.analyzers.manifests.python_code import Module, keyword, modules, place
from autostack.plugins.analyzers.manifests.python_django import projects
from autostack.plugins.analyzers.manifests.python_environment import reads

if TYPE_CHECKING:
    from autostack.core import SourceTree

_BEAT: Final = (b"beat_schedule", b"BEAT_SCHEDULE", b"add_periodic_task", b"CELERYBEAT_SCHEDULE")
_WORKER_WORDS: Final = frozenset({"celery", "worker", "workers", "tasks"})
_BROKERS: Final = ("broker_url", "BROKER_URL", "CELERY_BROKER_URL", "broker")


class Queue(NamedTuple):
    """One row: a queue library, what its code must hold, and the command of its worker.

    `{module}` is the dotted name of the module that holds the needle, `{target}` the module with the object's name.
    """

    dependency: str
    process: str
    command: str
    needles: tuple[bytes, ...] = ()
    made_by: tuple[str, ...] = ()  # calls or bases that make the object


# Sources: python-rq.org/docs/workers, dramatiq.io/guide.html#workers, huey.readthedocs.io/en/latest/consumer.html,
# arq-docs.helpmanual.io, taskiq-python.github.io/guide/cli.html, procrastinate.readthedocs.io
QUEUES: Final = (
    Queue("django-rq", "rq", "python {manage} rqworker default"),
    Queue("rq", "rq", "rq worker --url ${url}{queues}"),
    Queue("django-q2", "django-q", "python {manage} qcluster"),
    Queue("django-q", "django-q", "python {manage} qcluster"),
    Queue("django-dramatiq", "dramatiq", "python {manage} rundramatiq"),
    Queue("dramatiq", "dramatiq", "dramatiq {module}", (b"dramatiq.actor", b"set_broker(")),
    Queue("huey", "huey", "huey_consumer {target}", (b"Huey(",),
          ("huey.RedisHuey", "huey.SqliteHuey", "huey.Huey", "huey.PriorityRedisHuey", "huey.MemoryHuey",
           "huey.RedisExpireHuey", "huey.FileHuey")),
    Queue("arq", "arq", "arq {target}", (b"class WorkerSettings",)),
    Queue("taskiq", "taskiq", "taskiq worker {target}", (b"Broker(",),
          ("taskiq_redis.ListQueueBroker", "taskiq_redis.RedisStreamBroker", "taskiq_aio_pika.AioPikaBroker",
           "taskiq_nats.NatsBroker", "taskiq_redis.PubSubBroker")),
    Queue("procrastinate", "procrastinate", "procrastinate --app={dotted} worker", (b"procrastinate",),
          ("procrastinate.App",)),
)  # fmt: skip


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """Claim the workers of each Python root whose dependencies name a queue."""
    claims: list[Claim] = []
    for root in roots(source):
        installed = runtime(source, root)
        if "celery" in installed:
            claims += _celery(source, root, installed)
        seen: set[str] = set()
        for queue in QUEUES:
            if queue.dependency in installed and queue.process not in seen:
                found = list(_worker(source, root, queue, installed[queue.dependency]))
                claims += found
                seen |= {queue.process} if found else set()
    return claims


# ---------------------------------------------------------------------------------------------- Celery


def _celery(source: SourceTree, root: str, installed: dict[str, Dependency]) -> Iterator[Claim]:
    found = _application(source, root)
    if found is None:
        return
    target, start, here = found
    production = next((one.production for one in projects(source, root) if one.production), None)
    base = f"celery --workdir {start} -A {target}" if start != "." else f"celery -A {target}"
    if production is not None:
        base = f"DJANGO_SETTINGS_MODULE={production} {base}"
    yield Claim(root, "processes.celery.kind", "worker", "convention", [here])
    yield Claim(root, "processes.celery.role", "worker:celery", "convention", [here])
    yield Claim(root, "processes.celery.command", f"{base} worker --loglevel=INFO", "convention", [here])
    yield from _beat(source, root, installed, base)
    yield from _broker(source, root, installed, here)


def _application(source: SourceTree, root: str) -> tuple[str, str, Evidence] | None:
    """(what `-A` takes, folder that it is imported from, where) of the likeliest Celery application."""
    found = []
    objects: set[str] = set()
    for module in modules(source, root, b"elery("):
        for name, value in module.assigned:
            if isinstance(value, ast.Call) and _makes_celery(module, value):
                start, dotted = _place(source, root, module.path)
                stem = module.path.rpartition("/")[2]
                rank = (stem not in ("celery.py", "celery_app.py", "worker.py", "tasks.py"), module.path.count("/"))
                where = Evidence(module.path, value.lineno, f"Celery application {name}")
                found.append((rank, module.path, _target(module, dotted, name), start, where))
                objects.add(f"{dotted}.{name}")
    found += [((False, 0), *one) for one in _prepared(source, root, objects)]
    found.sort(key=lambda one: one[:2])
    return found[0][2:] if found else None


def _prepared(source: SourceTree, root: str, objects: set[str]) -> Iterator[tuple[str, str, str, Evidence]]:
    """Modules made for workers: they take the Celery object from elsewhere and make the web application around it.

    `from shop.extensions import celery` beside `app = create_app()`; `celery_app = flask_app.extensions["celery"]`.
    https://flask.palletsprojects.com/en/stable/patterns/celery/
    """
    for module in modules(source, root, b"create_app", b"app_context", b"make_app", b'extensions["celery"]'):
        stem = module.path.rpartition("/")[2].removesuffix(".py")
        if not _WORKER_WORDS.intersection(stem.split("_")):
            continue
        names = [local for local, origin in module.imports.items() if origin.lstrip(".") in objects]
        names += [name for name, value in module.assigned if _is_extension(module, value)]
        if names and any(_makes_application(value) for _, value in module.assigned):
            start, dotted = _place(source, root, module.path)
            where = Evidence(module.path, 1, "makes the application for workers")
            yield module.path, _target(module, dotted, names[0]), start, where


def _makes_application(value: ast.expr) -> bool:
    function = value.func if isinstance(value, ast.Call) else None
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return "app" in str(called).lower().split("_")


def _is_extension(module: Module, value: ast.expr) -> bool:
    if not isinstance(value, ast.Subscript) or module.text(value.slice) != "celery":
        return isinstance(value, ast.Attribute) and value.attr in ("celery", "celery_app")
    return isinstance(value.value, ast.Attribute) and value.value.attr == "extensions"


def _makes_celery(module: Module, call: ast.Call) -> bool:
    name = module.name(call.func)
    return name in ("celery.Celery", "celery.app.Celery") or name.rpartition(".")[2] in (
        "make_celery", "create_celery", "celery_init_app", "create_celery_app", "init_celery", "get_celery_app",
    )  # fmt: skip


def _target(module: Module, dotted: str, name: str) -> str:
    """What `celery -A` finds the application by: a package for its `celery` module, else the module, else both names.

    Celery looks for `app`, then `celery` in a module, and takes whatever object it meets there first.
    https://docs.celeryq.dev/en/stable/getting-started/next-steps.html#about-the-app-argument
    """
    if dotted.endswith(".celery") and name in ("app", "celery"):
        return dotted.removesuffix(".celery")
    plain = name == "app" or (name == "celery" and "app" not in {*module.names, *module.imports})
    return dotted if plain else f"{dotted}:{name}"


def _place(source: SourceTree, root: str, path: str) -> tuple[str, str]:
    """As `place`, but Django's code is imported from the folder of its manage.py."""
    for project in projects(source, root):
        inner = inside(root, path)
        if project.place != "." and inner.startswith(project.place + "/"):
            name = inner.removeprefix(project.place + "/").removesuffix(".py").replace("/", ".")
            return project.place, name.removesuffix(".__init__")
    return place(source, root, path)


def _beat(source: SourceTree, root: str, installed: dict[str, Dependency], base: str) -> Iterator[Claim]:
    where, scheduler = None, ""
    if (stored := installed.get("django-celery-beat")) is not None:
        where = Evidence(stored.path, stored.line, "django-celery-beat keeps schedules")
        scheduler = " --scheduler django_celery_beat.schedulers:DatabaseScheduler"
    for module in modules(source, root, *_BEAT):
        for needle in _BEAT:
            if where is None and (line := source.line(module.path, needle.decode())) is not None:
                where = Evidence(module.path, line, needle.decode())
    if where is None:
        return
    yield Claim(root, "processes.celery-beat.kind", "worker", "convention", [where])
    yield Claim(root, "processes.celery-beat.role", "worker:celery-beat", "convention", [where])
    command = f"{base} beat --loglevel=INFO{scheduler}"
    yield Claim(root, "processes.celery-beat.command", command, "convention", [where])
    yield Claim(root, "processes.celery-beat.singleton", True, "convention", [where])


def _broker(source: SourceTree, root: str, installed: dict[str, Dependency], here: Evidence) -> Iterator[Claim]:
    known = False
    for module in modules(source, root, b"broker", b"BROKER"):
        for node, value in _broker_values(module):
            read = module.environment(value)
            address = module.text(value) or (read[1] if read and isinstance(read[1], str) else "")
            kind = scheme(address) if address else _by_dependency(installed)
            if kind is None:
                continue
            known = True
            env = (ResourceEnv(read[0], "url"),) if read else ()
            where = [Evidence(module.path, node.lineno, "Celery's broker")]
            yield Claim(root, f"needs.{kind}", NeedValue(env=env), "declared" if address else "manifest", where)
    if not known and _by_dependency(installed) is None:
        reason = "Celery's broker is RabbitMQ when nothing is set"
        yield Claim(root, "needs.rabbitmq", NeedValue(), "guess", [Evidence(here.path, here.line, reason)])


def _broker_values(module: Module) -> Iterator[tuple[ast.Assign | ast.Call, ast.expr]]:
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
                if isinstance(target, ast.Subscript):
                    name = module.text(target.slice) or ""
                if name in _BROKERS:
                    yield node, node.value
        elif isinstance(node, ast.Call):
            for word in ("broker", "broker_url", "BROKER_URL"):
                if (value := keyword(node, word)) is not None:
                    yield node, value


def _by_dependency(installed: dict[str, Dependency]) -> str | None:
    celery = installed["celery"]
    if "redis" in installed or "redis" in celery.extras or "django-redis" in installed:
        return "redis"
    if "sqs" in celery.extras:
        return "sqs"
    return "rabbitmq" if {"librabbitmq", "pika"} & {*installed, *celery.extras} else None


# ---------------------------------------------------------------------------------------------- other queues


def _worker(source: SourceTree, root: str, queue: Queue, dependency: Dependency) -> Iterator[Claim]:
    where = Evidence(dependency.path, dependency.line, f"depends on {dependency.name}")
    words: dict[str, str] = {}
    before = ""
    if "{manage}" in queue.command:
        project = next(iter(projects(source, root)), None)
        if project is None:
            return
        words["manage"] = inside(root, project.manage)
    elif queue.needles:
        found = _holder(source, root, queue)
        if found is None:
            return
        words, where = found
        before = f"PYTHONPATH={words['start']} " if words["start"] != "." else ""
    elif queue.dependency == "rq":
        users = modules(source, root, b"rq")
        if not any(origin.partition(".")[0] == "rq" for module in users for origin in module.imports.values()):
            return
        words["url"] = _redis_url(source, root)
        carried = NeedValue(env=(ResourceEnv(words["url"], "url"),))
        yield Claim(root, "needs.redis", carried, "manifest", [where])
        words["queues"] = "".join(f" {name}" for name in _rq_queues(users))
    command = before + queue.command.format(**words)
    yield Claim(root, f"processes.{queue.process}.kind", "worker", "convention", [where])
    yield Claim(root, f"processes.{queue.process}.role", f"worker:{queue.process}", "convention", [where])
    yield Claim(root, f"processes.{queue.process}.command", command, "convention", [where])


def _redis_url(source: SourceTree, root: str) -> str:
    """The variable that the code itself reads Redis's address from."""
    names = {read.name for read in reads(source, root) if read.name.endswith("REDIS_URL")}
    return "REDIS_URL" if "REDIS_URL" in names or not names else min(names)


def _rq_queues(users: list[Module]) -> list[str]:
    """The queues that the code puts jobs into, where it names them."""
    named = {
        name
        for module in users
        for call, called in module.calls()
        if called in ("rq.Queue", "rq.queue.Queue") and call.args and (name := module.text(call.args[0]))
    }
    return sorted(name for name in named if re.fullmatch(r"[\w.:-]{1,100}", name))


def _holder(source: SourceTree, root: str, queue: Queue) -> tuple[dict[str, str], Evidence] | None:
    for module in modules(source, root, *queue.needles):
        start, dotted = _place(source, root, module.path)
        known = {"start": start, "module": dotted}
        if queue.made_by:
            for name, value in module.assigned:
                if isinstance(value, ast.Call) and module.name(value.func) in queue.made_by:
                    here = Evidence(module.path, value.lineno, f"{queue.dependency} object {name}")
                    colon = ":" if queue.process == "taskiq" else "."
                    return {**known, "target": f"{dotted}{colon}{name}", "dotted": f"{dotted}.{name}"}, here
            continue
        needle = next((n.decode() for n in queue.needles if n in (source.bytes(module.path) or b"")), "")
        here = Evidence(module.path, source.line(module.path, needle), needle)
        return {**known, "target": f"{dotted}.WorkerSettings", "dotted": dotted}, here
    return None
