"""The loop that asks implementations one after another, as a plain function. `child.py` puts a fork around it.

What one raises, or returns although it can't be a result, is its own error; the others are asked all the same.
"""

from __future__ import annotations

import inspect
import time
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from autostack.core import hookspecs, model, wire
from autostack.core.context import Context
from autostack.core.errors import AutoStackError
from autostack.core.plugins import Registry

ERROR_LENGTH = 2000
RESULT_CAP = wire.MESSAGE_CAP - 2**20  # bytes of one result; the rest of the message is small


@dataclass(frozen=True)
class Ask:
    """One question: a hook, and the arguments of each call of it (`source` and `ctx` are made where it is answered).

    only    the one plugin that is asked, or None for all
    """

    hook: str
    calls: list[dict[str, object]]
    only: str | None = None


@dataclass(frozen=True)
class Answer:
    """What one implementation made of one call: a value of the hook's type (None: nothing), or an error in words.

    code  the error's `AutoStackError.code`, where the plugin raised one on purpose
    """

    plugin: str
    call: int
    value: object
    error: str | None
    ms: float
    code: str | None = None


class Reply(msgspec.Struct, omit_defaults=True):
    """An answer on the wire: `value` is JSON, by class name where a hook returns several classes."""

    plugin: str
    call: int
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    ms: float = 0
    code: str | None = None


class BadResult(TypeError):
    """An implementation returned something that the hook can't return."""


@dataclass(frozen=True)
class _Signature:
    arguments: dict[str, object]
    result: object
    items: tuple[type, ...]  # classes of a list's items, or () if the result is no list
    nullable: bool


def _signatures() -> dict[str, _Signature]:
    names: dict[str, object] = {"Context": Context, "SourceTree": object}
    found = {}
    for name, spec in vars(hookspecs).items():
        if not hasattr(spec, "autostack_spec"):
            continue
        hints = typing.get_type_hints(spec, {**vars(model), **vars(hookspecs), **names})
        result = hints.pop("return")
        items: tuple[type, ...] = ()
        if typing.get_origin(result) is list:
            (inner,) = typing.get_args(result)
            items = typing.get_args(inner) if isinstance(inner, types.UnionType) else (inner,)
        nullable = bool(items) or result is type(None) or type(None) in typing.get_args(result)
        found[name] = _Signature(hints, result, items, nullable)
    return found


_found: dict[str, _Signature] = {}


def signature(hook: str) -> _Signature:
    """A hook's argument and result types, read from `hookspecs.py`."""
    if not _found:
        _found.update(_signatures())
    return _found[hook]


def answer(
    registry: Registry,
    ask: Ask,
    *,
    context: Callable[[str], Context],
    given: Mapping[str, object],
    started: Callable[[int, str], None],
    reply: Callable[[Reply], None],
    skip: frozenset[tuple[int, str]] = frozenset(),
) -> None:
    """Ask all implementations of a hook, for each call in turn.

    context  makes the `ctx` of a plugin; `given` holds `source`, where there is one
    started  is told (call, plugin) before each; `reply` gets each answer as soon as it is there
    skip     what has been asked already, or may not be asked again
    """
    for number, arguments in enumerate(ask.calls):
        for impl in registry.implementations(ask.hook, ask.only):
            if (number, impl.plugin_name) in skip:
                continue
            started(number, impl.plugin_name)
            begin = time.perf_counter()
            error: str | None = None
            code: str | None = None
            value = b"null"
            try:
                known = {**arguments, **given, "ctx": context(impl.plugin_name)}
                result = impl.function(*[known[name] for name in impl.argnames])
                value = _capped(encode(ask.hook, _awaited(result)))
            except (Exception, SystemExit) as problem:  # noqa: BLE001  whatever a plugin raises is its answer
                error = describe(problem)
                code = problem.code if isinstance(problem, AutoStackError) else None
            took = (time.perf_counter() - begin) * 1000
            reply(Reply(impl.plugin_name, number, msgspec.Raw(value), error, round(took, 3), code))


def ask_here(
    registry: Registry, hook: str, *, only: str | None = None, context: Context | None = None, **arguments: object
) -> list[Answer]:
    """Ask in this very process, without limits: for tests of plugins."""
    replies: list[Reply] = []
    given = {k: arguments.pop(k) for k in ("source",) if k in arguments}
    answer(
        registry,
        Ask(hook, [arguments], only),
        context=lambda name: context or Context(plugin=name, settings=registry.settings.get(name)),
        given=given,
        started=lambda call, plugin: None,
        reply=replies.append,
    )
    return [decode(hook, reply) for reply in replies]


def encode(hook: str, result: object) -> bytes:
    """A result as JSON; BadResult if it isn't of the hook's type."""
    wanted = signature(hook)
    if result is None:
        if not wanted.nullable:
            raise BadResult(f"{hook} has to return a {_name(wanted.result)}, not None")
        return b"null"
    if not wanted.items:
        if isinstance(wanted.result, type) and not isinstance(result, wanted.result):
            raise BadResult(f"{hook} has to return a {_name(wanted.result)}, not {type(result).__name__}")
        return msgspec.json.encode(result)
    if isinstance(result, (str, bytes, dict)) or not isinstance(result, Iterable):
        raise BadResult(f"{hook} has to return a list, not {type(result).__name__}")
    groups: dict[str, list[object]] = {kind.__name__: [] for kind in wanted.items}
    for item in result:
        if type(item).__name__ not in groups:
            raise BadResult(f"{hook}: a list of {' or '.join(groups)} can't hold {type(item).__name__}")
        groups[type(item).__name__].append(item)
    return msgspec.json.encode(groups)


def decode(hook: str, reply: Reply) -> Answer:
    """An answer from the wire, its value checked against the hook's type."""
    if reply.error is not None:
        return Answer(reply.plugin, reply.call, None, reply.error, reply.ms, reply.code)
    wanted = signature(hook)
    value: object = None
    error: str | None = None
    try:
        if bytes(reply.value) == b"null":
            value = [] if wanted.items else None
        elif wanted.items:
            groups = msgspec.json.decode(reply.value, type=dict[str, msgspec.Raw])
            value = [item for kind in wanted.items for item in _list(groups[kind.__name__], kind)]
        else:
            value = msgspec.json.decode(reply.value, type=wanted.result)
    except (msgspec.DecodeError, KeyError, RecursionError) as problem:
        error = f"{hook} returned nonsense: {problem}"
    return Answer(reply.plugin, reply.call, value, error, reply.ms)


def arguments(hook: str, given: Mapping[str, msgspec.Raw]) -> dict[str, object]:
    """A call's arguments from the wire, each as the type that `hookspecs.py` gives it."""
    hints = signature(hook).arguments
    return {name: msgspec.json.decode(raw, type=hints[name]) for name, raw in given.items()}


def describe(problem: BaseException) -> str:
    """An error in one line: its class, its text, and the innermost place in the plugin where it happened."""
    text = _words(problem)
    if isinstance(problem, AutoStackError):
        return text  # said on purpose, for the user
    place = ""
    trace = problem.__traceback__
    while trace is not None:
        place = f" ({trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(problem).__name__}: {text}{place}" if text else f"{type(problem).__name__}{place}"


def _words(problem: BaseException) -> str:
    try:
        text = str(problem)
    except Exception:  # noqa: BLE001  a plugin's own exception class can do anything
        return ""
    return " ".join(text[: 10 * ERROR_LENGTH].encode("utf-8", "replace").decode().split())[:ERROR_LENGTH]


def _capped(value: bytes) -> bytes:
    if len(value) > RESULT_CAP:
        raise BadResult(f"a result of {len(value):,} bytes; {RESULT_CAP:,} is the most")
    return value


def _awaited(result: object) -> object:
    if inspect.isawaitable(result):
        import asyncio

        async def wait() -> object:
            return await result

        return asyncio.run(wait())
    return result


def _list(raw: msgspec.Raw, kind: type) -> list[object]:
    found: list[object] = msgspec.json.decode(raw, type=types.GenericAlias(list, (kind,)))
    return found


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
