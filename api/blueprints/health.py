"""`/health`: whether this listener answers, for load balancers and for whoever started it."""

from __future__ import annotations

from typing import Literal

import msgspec
from quart import Blueprint, Response

from autostack.api import contract
from autostack.api.state import Role


class Health(msgspec.Struct, frozen=True):
    """Whether a listener is well."""

    status: Literal["ok"]
    role: Role
    version: str


def blueprint(role: Role, version: str) -> Blueprint:
    """The health route of one listener. It asks nothing of the database: a slow disk is no reason to be restarted."""
    health = Blueprint("health", __name__)
    body = contract.encoder.encode(Health("ok", role, version))

    @health.get("/health")
    async def answer() -> Response:
        return Response(body, content_type="application/json")

    return health
