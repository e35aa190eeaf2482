"""The loop itself, in this process: what is an answer, what is an error, and what an error says."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from autostack.core import (
    Architecture,
    Claim,
    Context,
    Evidence,
    Finding,
    GeneratedFile,
    Outcome,
    Plan,
    Service,
    hookimpl,
)
from autostack.core import dispatch as dispatch_module
from autostack.core.dispatch import BadResult, Reply, arguments, ask_here, decode, describe, encode, signature
from autostack.core.errors import Declined
from autostack.core.hookspecs import project_uploaded
from autostack.core.plugins import HOOKS, Registry

CLAIM = Claim(".", "framework", "flask", "convention", [Evidence("app.py", 3, "it says so")], "")
FINDING = Finding("rule", "low", "app.py", 3, "look here")


def asked(function: Callable[..., object], hook: str = "project_uploaded", **given: object) -> dispatch_module.Answer:
    class Plugin:
        pass

    plugin = Plugin()
    setattr(plugin, hook, hookimpl(function))
    registry = Registry(installed=False)
    registry.add("plugin", plugin)
    (answer,) = ask_here(registry, hook, **given)  # type: ignore[arg-type]
    return answer


def test_claims_and_findings_come_back_as_they_are() -> None:
    answer = asked(lambda: [FINDING, CLAIM, CLAIM])
    assert answer.error is None
    assert answer.value == [CLAIM, CLAIM, FINDING]


def test_a_generator_and_an_async_function_are_answers_too() -> None:
    def generator() -> object:
        yield CLAIM

    async def coroutine() -> list[Claim]:
        return [CLAIM]

    assert asked(generator).value == [CLAIM]
    assert asked(coroutine).value == [CLAIM]


def test_nothing_is_an_empty_list_where_a_list_is_wanted_and_an_error_where_an_answer_is() -> None:
    assert asked(lambda: None).value == []
    assert asked(lambda: None, "propose_architecture").value is None
    assert asked(lambda: None, "event_emitted").error is None
    assert "has to return a Plan, not None" in str(asked(lambda: None, "plan_requested").error)


@pytest.mark.parametrize(
    ("hook", "result", "reason"),
    [
        ("project_uploaded", CLAIM, "has to return a list, not Claim"),
        ("project_uploaded", {"a": 1}, "has to return a list, not dict"),
        ("project_uploaded", "text", "has to return a list, not str"),
        ("project_uploaded", [GeneratedFile("a", "b", "c")], "a list of Claim or Finding can't hold GeneratedFile"),
        ("analysis_done", [CLAIM], "a list of GeneratedFile or Finding can't hold Claim"),
        ("plan_requested", Outcome("done"), "has to return a Plan, not Outcome"),
        ("deploy_requested", {"state": "done"}, "has to return a Outcome, not dict"),
    ],
)
def test_a_result_of_another_type_is_the_plugins_error(hook: str, result: object, reason: str) -> None:
    with pytest.raises(BadResult, match=reason):
        encode(hook, result)


@pytest.mark.parametrize(
    "value",
    [
        Finding("rule", "terrible", None, None, "no such severity"),  # type: ignore[arg-type]
        Finding("rule", "low", 7, None, "a path that is a number"),  # type: ignore[arg-type]
        Claim(".", "framework", "x", "convention", [("app.py", 1, "a tuple")], ""),  # type: ignore[list-item]
    ],
)
def test_a_result_with_a_wrong_value_inside_is_nonsense(value: object) -> None:
    answer = asked(lambda: [value])
    assert answer.value is None
    assert "returned nonsense" in str(answer.error)


def test_a_class_that_only_has_the_name_is_no_claim() -> None:
    class Claim:
        pass

    assert asked(lambda: [Claim()]).error is not None


def test_what_is_said_on_purpose_is_passed_on_in_its_own_words() -> None:
    def decline() -> Plan:
        raise Declined("no connection: plan only")

    answer = asked(decline, "plan_requested")
    assert (answer.error, answer.code) == ("no connection: plan only", "declined")


def test_an_error_names_its_place() -> None:
    def fails() -> None:
        raise KeyError("x")

    assert str(asked(fails).error).startswith("KeyError: 'x' (test_dispatch.py:")
    assert describe(ValueError("two\nlines " + "x" * 10_000)).startswith("ValueError: two lines xxx")
    assert len(describe(ValueError("x" * 10_000))) < 2100


def test_an_implementation_gets_only_what_it_names() -> None:
    seen: list[object] = []

    def wants(ctx: Context, project: object) -> None:
        seen.extend([ctx.plugin, project])

    assert asked(wants, project="p").error is None
    assert seen == ["plugin", "p"]


def test_a_result_over_the_cap_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "RESULT_CAP", 1000)
    answer = asked(lambda: [CLAIM] * 100)
    assert "BadResult: a result of" in str(answer.error)


def test_a_reply_that_is_no_json_of_the_hook_is_nonsense() -> None:
    for raw in (b"[]", b'{"Claim":[]}', b'{"Claim":[{}],"Finding":[]}', b"42"):
        assert "nonsense" in str(decode("project_uploaded", Reply("p", 0, msgspec.Raw(raw))).error)


def test_arguments_arrive_as_the_types_of_the_hook() -> None:
    service = Service(root="web", build_root="web", name="web", kind="web")
    architecture = Architecture("toy")
    found = arguments("service_detected", {"service": msgspec.Raw(msgspec.json.encode(service))}) | arguments(
        "analysis_done", {"architectures": msgspec.Raw(msgspec.json.encode({"toy": architecture}))}
    )
    assert found == {"service": service, "architectures": {"toy": architecture}}


def test_every_hook_has_a_signature_that_can_be_read() -> None:
    assert project_uploaded.__doc__
    for hook in HOOKS:
        assert signature(hook).result is not None
