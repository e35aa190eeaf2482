"""`/metrics`: for the operator, in Prometheus' text format."""

from __future__ import annotations

from quart import Blueprint, Response

from autostack.api import contract
from autostack.api.metrics import CONTENT_TYPE
from autostack.api.state import api

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@contract.operator_only
async def read() -> Response:
    """All meters. Wants the operator's token, as everything that isn't public does."""
    return Response(api().metrics.text(), content_type=CONTENT_TYPE)
