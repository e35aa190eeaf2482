"""`/api/openapi.json`: the API's description of itself."""

from __future__ import annotations

from typing import cast

from quart import Blueprint, Response, current_app
from quart_schema import QuartSchema

from autostack.api import contract

blueprint = Blueprint("description", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
@contract.public
@contract.answers_media("application/json", "This document (OpenAPI 3.1).")
async def openapi() -> Response:
    """What this API takes and answers, for programs"""
    schema = cast(QuartSchema, current_app.extensions["QUART_SCHEMA"]).openapi_provider.schema()
    return Response(contract.encoder.encode(schema), content_type="application/json")
