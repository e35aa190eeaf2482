"""Who is asking, whether they may, and how often: decided once, before any route below /api, from its contract."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from quart import Quart, Response, g, request
from werkzeug.exceptions import Forbidden

from autostack.api import contract, problems
from autostack.api.openapi import PREFIX
from autostack.api.rates import Rate, address_key
from autostack.api.state import Api, api
from autostack.api.tokens import Claims
from autostack.core.errors import NotFound

if TYPE_CHECKING:
    from autostack.core.users import User

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="autostack"'}


def current_user() -> User:
    """The user who is signed in. Only for routes whose contract wants one; the check has been made."""
    return cast("User", g.user)


def still_signed_in() -> Callable[[], Awaitable[bool]]:
    """Asks, later on and outside the request, whether the token that this request brought still holds."""
    held, claims = api(), cast(Claims, g.claims)

    async def ask() -> bool:
        return await _holder(held, claims) is not None

    return ask


def register(app: Quart, api: Api) -> None:
    """Check every request below /api before its route is called, known route or not."""

    @app.before_request
    async def admit() -> Response | None:
        g.request_id = request.scope.get("autostack.request_id")
        g.began = time.perf_counter()
        g.user = g.rate = None
        below = request.path.startswith(PREFIX)
        rule = request.url_rule
        access = contract.of(app.view_functions[rule.endpoint]).access if rule is not None else "public"
        if not below and access != "operator":
            return None
        await _sign_in(api)
        if below and api.rates is not None:
            g.rate = await api.rates.hit(f"user:{g.user.id}" if g.user else address_key(request.remote_addr or "local"))
            if not g.rate.allowed:
                return _too_many(g.rate)
        if access != "public" and g.user is None:
            return _unauthenticated()
        if access == "operator" and not g.user.operator:
            raise Forbidden("Only the operator of this server may ask for that.")
        return None

    @app.after_request
    async def tell(response: Response) -> Response:
        rate = g.get("rate")
        if isinstance(rate, Rate):
            for name, value in rate.headers().items():
                response.headers[name] = value
        began = g.get("began")
        if isinstance(began, float):
            route = request.url_rule.rule if request.url_rule is not None else "none"
            api.metrics.count(route, response.status_code, time.perf_counter() - began)
        return response


async def _sign_in(api: Api) -> None:
    """Sets `g.user` to the user of a valid token, and `g.claims` to what the token says."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    claims = api.tokens.read(token.strip()) if scheme.lower() == "bearer" else None
    user = None if claims is None else await _holder(api, claims)
    if user is not None:
        g.user, g.claims = user, claims
        cast(dict[str, object], request.scope)["autostack.user"] = user.id


async def _holder(api: Api, claims: Claims) -> User | None:
    """The user of a token whose account still stands at the token's epoch."""
    if claims.expires <= time.time():
        return None
    try:
        user = await api.core.users.get(claims.user)
    except NotFound:
        return None
    return user if user.token_epoch == claims.epoch and user.status == "active" else None


def _unauthenticated() -> Response:
    return problems.response(
        401,
        "unauthenticated",
        "Sign in first: POST /api/auth/login gives a token; send it as Authorization: Bearer TOKEN.",
        headers=_CHALLENGE,
    )


def _too_many(rate: Rate) -> Response:
    return problems.response(
        429,
        "rate-limited",
        f"{rate.limit} requests in {rate.window // 60} minutes are taken. Try again in {rate.reset} s.",
        {"limit": rate.limit, "window": rate.window, "retry_after": rate.reset},
        rate.headers(),
    )
