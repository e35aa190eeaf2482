"""`/api/openapi.json`: the API's description of itself."""

from __future__ import annotations

from quart import Blueprint, Response, current_app

from autostack.api import contract
from autostack.api.openapi import document

blueprint = Blueprint("description", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
@contract.public
@contract.answers_media("application/json", "This document (OpenAPI 3.1).")
async def openapi() -> Response:
    """What this API takes and answers, for programs"""
    described = document(current_app)
    return Response(contract.encoder.encode(described), content_type="application/json")
