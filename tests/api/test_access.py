"""Who may do what: every route of the API against nobody, a stranger, the owner and the operator.

The table names each route once; a route that it doesn't name fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from autostack.api.openapi import PREFIX

from .conftest import Client, signed_up

NOBODY = 401


@dataclass(frozen=True)
class Row:
    """The statuses that a route answers with, and the body that it is asked with.

    Owner's requests are such that nothing is lost by them: what would end something is asked without the last word.
    """

    none: int
    stranger: int
    owner: int
    operator: int | None = None  # a stranger too, unless said otherwise
    json: object = None


ABSENT = "aaaaaaaaaaaaaaaa"

ROUTES: dict[str, Row] = {
    "POST /api/auth/register": Row(400, 400, 400, json={"email": "nobody", "password": "correct horse"}),
    "POST /api/auth/login": Row(401, 401, 401, json={"email": "nobody@example.org", "password": "wrong horse"}),
    "POST /api/auth/logout": Row(NOBODY, 204, 204),
    "GET /api/auth/account": Row(NOBODY, 200, 200),
    "PUT /api/auth/password": Row(NOBODY, 401, 401, json={"current": "wrong horse", "new": "correct horse 2"}),
    "GET /api/projects": Row(NOBODY, 200, 200),
    "POST /api/projects": Row(NOBODY, 400, 400, json={"name": ""}),
    "GET /api/projects/<project>": Row(NOBODY, 404, 200),
    "DELETE /api/projects/<project>": Row(NOBODY, 404, 409),
    "GET /api/projects/<project>/uploads": Row(NOBODY, 404, 200),
    "POST /api/projects/<project>/uploads": Row(NOBODY, 404, 415, json={}),
    "GET /api/projects/<project>/uploads/<upload>": Row(NOBODY, 404, 200),
    "GET /api/projects/<project>/analyses": Row(NOBODY, 404, 200),
    "GET /api/analyses/<analysis>": Row(NOBODY, 404, 200),
    "GET /api/projects/<project>/files": Row(NOBODY, 404, 200),
    "GET /api/projects/<project>/files/<path:path>": Row(NOBODY, 404, 200),
    "GET /api/projects/<project>/cost": Row(NOBODY, 404, 200),
    "GET /api/projects/<project>/env": Row(NOBODY, 404, 200),
    "PUT /api/projects/<project>/env": Row(NOBODY, 404, 200, json={"values": {"API_TOKEN": "secret"}}),
    "DELETE /api/projects/<project>/env/<name>": Row(NOBODY, 404, 204),
    "GET /api/targets": Row(NOBODY, 200, 200),
    "GET /api/projects/<project>/deployments": Row(NOBODY, 404, 200),
    "POST /api/projects/<project>/deployments": Row(NOBODY, 404, 400, json={"target": "nowhere"}),
    "GET /api/deployments/<deployment>": Row(NOBODY, 404, 200),
    "GET /api/deployments/<deployment>/plan": Row(NOBODY, 404, 200),
    "POST /api/deployments/<deployment>/plan": Row(NOBODY, 404, 404, json={"bundle": ABSENT}),
    "POST /api/deployments/<deployment>/approve": Row(
        NOBODY, 404, 409, json={"release": ABSENT, "plan_hash": "0" * 64}
    ),
    "POST /api/deployments/<deployment>/rollback": Row(NOBODY, 404, 409, json={}),
    "POST /api/deployments/<deployment>/destroy": Row(NOBODY, 404, 422, json={}),
    "GET /api/deployments/<deployment>/status": Row(NOBODY, 404, 200),
    "GET /api/deployments/<deployment>/logs": Row(NOBODY, 404, 409),
    "GET /api/projects/<project>/events": Row(NOBODY, 404, 400),
    "GET /api/events/<event>": Row(NOBODY, 404, 200),
    "POST /api/events/<event>/cancel": Row(NOBODY, 404, 409),
    "POST /api/events/<event>/retry": Row(NOBODY, 404, 409),
    "POST /api/events/<event>/reconcile": Row(NOBODY, 404, 409),
    "GET /api/usage": Row(NOBODY, 200, 200),
    "GET /api/plugins": Row(NOBODY, 403, 403, 200),
    "GET /api/openapi.json": Row(200, 200, 200),
    "GET /metrics": Row(NOBODY, 403, 403, 200),
}

OUTSIDE = {"GET /", "GET /health", "GET /static/<path:filename>"}


def test_every_route_has_its_row(anybody: Client) -> None:
    found = {
        f"{method} {rule.rule}"
        for rule in anybody.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(ROUTES) | OUTSIDE


@pytest.mark.parametrize("route", sorted(ROUTES))
async def test_only_who_may_is_answered(
    route: str,
    anybody: Client,
    signed_out: Client,
    stranger: Client,
    owner: Client,
    operator: Client,
    world: dict[str, str],
) -> None:
    if route == "POST /api/auth/logout":  # ends tokens: not those that the other tests share
        owner, stranger, operator = [await signed_up(anybody, f"{n}.leaves@example.org") for n in range(3)]
    else:
        await owner.ask("PUT", f"/api/projects/{world['project']}/env", {"values": {"API_TOKEN": "secret"}})
    method, _, rule = route.partition(" ")
    path = filled(rule, world)
    # a cursor that is none: the right to listen is checked before it, and no stream is opened
    headers = {"Last-Event-ID": "none"} if rule.endswith("/events") else None
    row = ROUTES[route]
    wanted = [
        (anybody, row.none),
        (Client(anybody.app, "no.real.token"), row.none),
        (signed_out, row.none),
        (stranger, row.stranger),
        (operator, row.operator or row.stranger),
        (owner, row.owner),
    ]
    for who, status in wanted:
        answer = await who.ask(method, path, json=row.json, headers=headers)
        assert answer.status == status, (route, answer.body)


async def test_what_is_not_there_looks_like_a_strangers(stranger: Client, world: dict[str, str]) -> None:
    absent = dict.fromkeys(world, ABSENT) | {"event": str(2**70)}
    for route, row in ROUTES.items():
        method, _, rule = route.partition(" ")
        if row.stranger != 404:
            continue
        theirs = await stranger.ask(method, filled(rule, world), json=row.json)
        nobodys = await stranger.ask(method, filled(rule, absent), json=row.json)
        assert theirs.status == nobodys.status == 404
        assert without_id(theirs.json) == without_id(nobodys.json), route


def without_id(problem: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in problem.items() if name != "request_id"}


def filled(rule: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        rule = rule.replace(f"<{name}>", value).replace(f"<path:{name}>", value)
    assert "<" not in rule
    return rule


HOSTILE = [
    "%00",
    "%ff",
    "%ed%a0%80",
    "9" * 5000,
    "a%0d%0ab",
    "'%20or%201=1--",
    "..%2f..%2fetc",
    "%e2%80%ae",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_hostile_name_in_an_address_is_never_the_servers_fault(
    value: str, owner: Client, world: dict[str, str]
) -> None:
    for route, row in ROUTES.items():
        method, _, rule = route.partition(" ")
        for name in world:
            if f"<{name}>" in rule or f"<path:{name}>" in rule:
                answer = await owner.ask(method, filled(rule, {**world, name: value}), json=row.json)
                assert 400 <= answer.status < 500, (route, answer.body)
        if method == "GET":
            answer = await owner.get(f"{filled(rule, world)}?{value}={value}&after=x")
            assert answer.status in (200, 400, 403, 409), (route, answer.body)


@pytest.mark.parametrize("value", ["\\ud800", "\\u0000", "\\u202e", "x" * 100_000])
async def test_a_hostile_text_in_a_body_is_never_the_servers_fault(
    value: str, owner: Client, world: dict[str, str]
) -> None:
    for route, row in ROUTES.items():
        method, _, rule = route.partition(" ")
        if not isinstance(row.json, dict):
            continue
        for field in [*row.json, "bundle", "confirm"]:
            for form in (f'"{value}"', f'{{"{value}": "{value}"}}', f'["{value}"]'):
                rest = "".join(f', "{k}": "x"' for k in row.json if k != field)
                body = f'{{"{field}": {form}{rest}}}'.encode()
                kind = {"Content-Type": "application/json"}
                answer = await owner.ask(method, filled(rule, world), data=body, headers=kind)
                assert answer.status < 500, (route, body[:80], answer.body)


async def test_an_unknown_address_is_a_problem_document(anybody: Client) -> None:
    for path in (f"{PREFIX}nothing", "/nothing", f"{PREFIX}projects/", "//projects"):
        assert (await anybody.get(path)).code == "not-found"


async def test_an_unexpected_method_says_which_are_taken(anybody: Client) -> None:
    answer = await anybody.ask("PATCH", "/api/usage")
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "OPTIONS"}
