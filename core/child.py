"""The answering side of the plugin host: the host's own life, and that of each fork.

Run as `python -m autostack.core.child FD` it *is* the host: it imports the plugins, sends its manifest, and forks.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from autostack.core import dispatch, wire
from autostack.core.context import Cancelled, Context, uncancelled
from autostack.core.dispatch import Answer, Ask
from autostack.core.host import FORK, LIMITS, MIB, RETIRE, ForkHere, Limit, Opening, Starting
from autostack.core.model import Price, Target
from autostack.core.plugins import Manifest, Problem, Registry
from autostack.core.session import Message, Question, Session, SourceState

# Imported lazily by plugins and needed by most of them: importing these once in the host saves 50 ms a fork.
PRELOAD = (
    "ast", "asyncio", "ctypes", "fnmatch", "jinja2", "json", "packaging.requirements", "pathspec", "shlex", "tomllib",
    "yaml", "zipfile", "autostack.core.architecture", "autostack.core.render", "autostack.core.source",
)  # fmt: skip

# What a deployer's child may see of the server's environment: `ctx.environment`.
ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "SHELL", "XDG_RUNTIME_DIR", "DOCKER_HOST",
               "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
               "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")  # fmt: skip
ENVIRONMENT_PREFIXES = ("AWS_", "PIP_", "UV_", "NPM_CONFIG_", "npm_config_", "LC_")
# What other children keep: nothing that tells where they are or whom they may be.
SCRUBBED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONHASHSEED", "AUTOSTACK_TEMPLATES")


def serve(control: socket.socket) -> None:
    """The host's life: import, send the manifest, then fork whenever a descriptor arrives, until nobody asks."""
    _die_with_parent()
    os.setsid()
    config = msgspec.json.decode(wire.receive(control, 30), type=dict[str, object])
    paths = [Path(p) for p in msgspec.convert(config["paths"], list[str])]
    settings = msgspec.convert(config["settings"], dict[str, dict[str, object]])
    _quiet()
    refused = msgspec.convert(config["refused"], dict[str, str])
    registry = Registry(paths, settings, refused=refused, importing=lambda name: wire.send(control, Starting(name)))
    wire.send(control, Starting())
    _preload()
    wire.send(control, Starting(manifest=manifest(registry)))
    # that signal comes when the *thread* that started this process ends (prctl(2)); from here on the socket tells
    _die_with_parent(False)
    control.setblocking(True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    gc.collect()
    gc.freeze()  # what was there before the fork isn't touched by the children's collector
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if data == RETIRE:
            _await_children()
        if data != FORK:  # nobody asks any more: what still works dies with this process
            return
        channel = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            leave(functools.partial(serve_session, registry, channel), closing=control)
        channel.close()


def manifest(registry: Registry) -> Manifest:
    """Ask every plugin for its targets and prices, in a fork, and describe all that is there."""
    here = ForkHere(registry)
    problems = list(registry.problems)
    targets: dict[str, tuple[str, Target]] = {}
    second: dict[str, str] = {}
    prices: dict[tuple[str, str, str], tuple[str, Price]] = {}
    with Session(here.fork, Opening("generator")) as session:
        for answer in session.ask(Ask("register_targets", [{}])):
            for target in _items(answer, Target, problems, "register_targets"):
                if target.name in targets:
                    second.setdefault(answer.plugin, f"target {target.name!r} is owned by {targets[target.name][0]}")
                else:
                    targets[target.name] = (answer.plugin, target)
        for plugin, reason in second.items():
            registry.refuse(plugin)
            problems.append(Problem(plugin, reason))
            targets = {name: (owner, target) for name, (owner, target) in targets.items() if owner != plugin}
        # the session's fork still has the refused ones
        for answer in [a for a in session.ask(Ask("register_prices", [{}])) if a.plugin not in second]:
            for price in _items(answer, Price, problems, "register_prices"):
                key = (price.service, price.item, price.region)
                if key in prices:
                    reason = f"the price of {' '.join(key)} is set by {prices[key][0]} already"
                    problems.append(Problem(answer.plugin, reason))
                else:
                    prices[key] = (answer.plugin, price)
    here.reap()
    return Manifest(
        plugins=registry.loaded(),
        problems=sorted(problems, key=lambda p: (p.plugin, p.reason)),
        order=registry.order(),
        targets=[target for _, target in targets.values()],
        owners={name: owner for name, (owner, _) in targets.items()},
        prices=[price for _, price in prices.values()],
    )


def serve_session(registry: Registry, channel: socket.socket) -> None:
    """A child's life: read what the session is about, take its limits, answer asks until the socket closes."""
    gc.freeze()  # what was there before the fork stays shared with the parent
    gc.enable()
    _die_with_parent()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _quiet()
    opening = msgspec.json.decode(wire.receive(channel), type=Opening)
    limit = LIMITS[opening.kind]
    environment = _environment(opening.kind)
    _subreaper()
    wire.send(channel, os.getpid())
    given: dict[str, object] = {}
    tree = None
    if opening.source is not None:
        from autostack.core.source import SourceTree

        tree = SourceTree.open(opening.source)
        given["source"] = tree
    _take(limit)
    if limit.grace_s:
        signal.signal(signal.SIGTERM, _cancelled)

    def context(plugin: str) -> Context:
        def tell(verb: str, data: object) -> object:
            with uncancelled():  # half a message would make nonsense of all that follow
                wire.send(channel, Message(verb=verb, plugin=plugin, data=data))
                if verb in ("checkpoint", "started"):
                    wire.receive(channel)
            return None

        return Context(
            plugin=plugin,
            settings=registry.settings.get(plugin),
            send=tell,
            environment=environment,
            values=opening.values,
            workspace=Path(opening.workspace) if opening.workspace else None,
            connection=opening.connection,
        )

    while True:
        try:
            question = msgspec.json.decode(wire.receive(channel), type=Question)
        except wire.WireClosed:
            return
        dispatch.answer(
            registry,
            Ask(question.hook, [dispatch.arguments(question.hook, call) for call in question.calls], question.only),
            context=context,
            given=given if tree is not None else {"source": None},
            started=lambda call, plugin: wire.send(channel, Message(started=(call, plugin))),
            reply=lambda reply: wire.send(channel, Message(reply=reply)),
            skip=frozenset(question.skip),
        )
        source = None
        if tree is not None:
            source = SourceState(tree.findings, tree.language_shares(), tree.incomplete)
        wire.send(channel, Message(source=source))


T = TypeVar("T")


def _items(answer: Answer, kind: type[T], problems: list[Problem], hook: str) -> list[T]:
    if answer.error is not None:
        problems.append(Problem(answer.plugin, f"{hook}: {answer.error}"))
    return [item for item in answer.value if isinstance(item, kind)] if isinstance(answer.value, list) else []


def leave(run: Callable[[], None], closing: socket.socket) -> None:
    """In a fork: run, and end the process without returning to what the parent was doing."""
    code = 1
    try:
        closing.close()
        run()
        code = 0
    except wire.WireClosed:
        code = 0
    except Cancelled:  # as it was told
        pass
    except Exception as error:  # noqa: BLE001  the last stop of a fork
        os.write(2, f"plugin host child: {dispatch.describe(error)}\n".encode())
    finally:
        os._exit(code)


def _cancelled(*_: object) -> None:
    raise Cancelled


def _take(limit: Limit) -> None:
    """Take on the limits of this kind of call."""
    for what, value in (
        (resource.RLIMIT_CPU, limit.cpu_s),
        (resource.RLIMIT_AS, limit.memory_mib and limit.memory_mib * MIB),
        (resource.RLIMIT_NOFILE, limit.files),
    ):
        if value is not None:
            hard = resource.getrlimit(what)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(what, (value, value))
    if not limit.outside:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _no_network()
        sys.addaudithook(_refuse_outside)


_OUTSIDE = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn",
            "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
            "socket.gethostbyname")  # fmt: skip


def _refuse_outside(event: str, _: object) -> None:
    if event in _OUTSIDE:
        raise PermissionError(f"{event}: analyzers and generators start no process and open no connection")


def _no_network() -> None:
    """A network namespace of one's own, where the system allows it: a second wall behind the audit hook."""
    import ctypes

    CLONE_NEWNET = 0x40000000  # linux/sched.h
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET)


def _prctl(option: int, value: int) -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # not Linux: the process groups still end what is left
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with_parent(die: bool = True) -> None:
    _prctl(1, signal.SIGKILL if die else 0)  # PR_SET_PDEATHSIG, prctl(2)


def _subreaper() -> None:
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what daemonises stays below this child, and is found


def _quiet() -> None:
    """What a plugin prints goes to the log: standard output is the asking command's answer."""
    os.dup2(2, 1)
    sys.stdout = sys.stderr


def _await_children() -> None:
    """Let those end that still work. (Ignored SIGCHLD: the wait ends with the last.)"""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, 0)


def _environment(kind: str) -> dict[str, str]:
    """Leave in the process what this kind may see; for a deployer also the mapping that becomes `ctx.environment`."""
    if kind == "deployer":
        keep = {k: v for k, v in os.environ.items() if k in ENVIRONMENT or k.startswith(ENVIRONMENT_PREFIXES)}
        for name in [n for n in os.environ if n not in keep]:
            del os.environ[name]
        return keep
    for name in [n for n in os.environ if n not in SCRUBBED]:
        del os.environ[name]
    return {}


def _preload() -> None:
    import importlib

    for name in PRELOAD:
        importlib.import_module(name)


if __name__ == "__main__":
    with contextlib.suppress(wire.WireClosed):
        serve(socket.socket(fileno=int(sys.argv[1])))
