"""What a route promises: who may ask, what it takes, what it answers. Decorators that enforce it and document it.

A route without a word on access wants a signed-in user: forgetting one closes a door, it never opens one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Literal, TypeVar, cast

import msgspec
from quart import Response, request

from autostack.api.body import ApiRequest

Access = Literal["public", "user", "operator"]
Route = Callable[..., Awaitable[object]]
Handler = Callable[..., Awaitable[Response]]
RouteT = TypeVar("RouteT", bound=Route)

_ATTRIBUTE = "__autostack_contract__"

encoder = msgspec.json.Encoder()


@dataclass
class Answer:
    """One success of a route: a model as JSON, content of other media types, or nothing."""

    model: object | None = None
    media: list[str] = field(default_factory=list)
    description: str = ""


@dataclass
class Contract:
    """Everything that is promised of one route.

    access   who may ask
    body     the model of a JSON body, if the route takes one
    media    other bodies that it takes: media type -> JSON schema
    answers  status -> what is answered
    """

    access: Access = "user"
    body: object | None = None
    media: dict[str, dict[str, object]] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    idempotent: bool = False


def of(view: object) -> Contract:
    """The contract of a view function."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, Contract) else Contract()


def _edit(view: object) -> Contract:
    contract = of(view)
    setattr(view, _ATTRIBUTE, contract)
    return contract


def public(view: RouteT) -> RouteT:
    """Anybody may ask, signed in or not."""
    _edit(view).access = "public"
    return view


def operator_only(view: RouteT) -> RouteT:
    """Only the operator may ask."""
    _edit(view).access = "operator"
    return view


def takes_media(schemas: Mapping[str, dict[str, object]]) -> Callable[[RouteT], RouteT]:
    """Document bodies that aren't JSON: media type -> JSON schema. The route reads them itself."""

    def decorate(view: RouteT) -> RouteT:
        _edit(view).media = dict(schemas)
        return view

    return decorate


def accepts(model: type[object]) -> Callable[[Route], Route]:
    """The JSON body arrives as `data`, decoded into the model."""

    def decorate(view: Route) -> Route:
        _edit(view).body = model

        @wraps(view)
        async def route(*args: object, **kwargs: object) -> object:
            return await view(*args, data=await cast(ApiRequest, request).decode(model), **kwargs)

        return route

    return decorate


def answers(model: object, status: int = 200) -> Callable[[Route], Handler]:
    """What the route returns, a model or (model, headers), is sent as JSON with the status. None for no content."""

    def decorate(view: Route) -> Handler:
        _edit(view).answers.setdefault(status, Answer()).model = model

        @wraps(view)
        async def route(*args: object, **kwargs: object) -> Response:
            result = await view(*args, **kwargs)
            if isinstance(result, Response):
                return result
            value, headers = result if isinstance(result, tuple) else (result, {})
            if model is None:
                return Response(b"", status, headers)
            return Response(encoder.encode(value), status, headers, content_type="application/json")

        return route

    return decorate


def answers_media(media_type: str, description: str, status: int = 200) -> Callable[[RouteT], RouteT]:
    """Document an answer that isn't JSON; the route makes the response itself."""

    def decorate(view: RouteT) -> RouteT:
        answer = _edit(view).answers.setdefault(status, Answer())
        answer.media.append(media_type)
        answer.description = description
        return view

    return decorate
