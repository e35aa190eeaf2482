"""Every error as a problem document (RFC 9457), so that a program never has to read a page of HTML.

https://www.rfc-editor.org/rfc/rfc9457: `type` names the kind, `title` is the same for all of a kind, `detail` speaks of
this occurrence. `code` is the last part of `type`, for programs; further members are what the error knows.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog
from quart import Quart, Response, g
from quart_schema import RequestSchemaValidationError
from werkzeug.exceptions import HTTPException

from autostack.core.errors import AutoStackError
from autostack.core.host import HostFailed

if TYPE_CHECKING:
    from quart.typing import ResponseReturnValue

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:autostack:problem:"

# What werkzeug's generic sentences leave open: what the caller should do.
_ADVICE: dict[int, str] = {
    404: "There is nothing at this address. GET /api/openapi.json lists what there is.",
    405: "This address does not take that method; the Allow header lists those that it takes.",
    408: "The request's body did not arrive in time. Send it again over a faster connection.",
    500: "Something went wrong in AutoStack itself. The request id finds it in the server's log.",
}

# Where the phrase is another one from Python to Python (RFC 9110 gave new ones).
CODES = {413: "content-too-large", 416: "range-not-satisfiable", 422: "unprocessable-content"}

# Headers of an error response that the caller needs.
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457). Members beyond these depend on the code."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None


def document(status: int, code: str, detail: str, members: Mapping[str, object] | None = None) -> dict[str, object]:
    """The members of a problem document; extension members never replace the standard ones."""
    known = {
        "type": TYPE_PREFIX + code,
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return {**known, **{name: value for name, value in (members or {}).items() if name not in known}}


def encode(problem: Mapping[str, object]) -> bytes:
    """The document as JSON; values that JSON has no form for are written as text."""
    return msgspec.json.encode(problem, enc_hook=str)


def response(
    status: int,
    code: str,
    detail: str,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as an HTTP response."""
    body = document(status, code, detail, {**(members or {}), "request_id": g.get("request_id")})
    return Response(encode(body), status, dict(headers or {}), content_type=MEDIA_TYPE)


def register(app: Quart) -> None:
    """Answer every error of the application with a problem document."""
    app.register_error_handler(AutoStackError, _of_core)
    app.register_error_handler(RequestSchemaValidationError, _of_validation)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(HostFailed, _of_host)
    app.register_error_handler(OSError, _of_system)
    app.register_error_handler(Exception, _of_bug)


async def _of_core(error: AutoStackError) -> ResponseReturnValue:
    headers = {}
    retry_after = error.detail.get("retry_after")
    if isinstance(retry_after, int | float):
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if error.status >= 500:
        structlog.get_logger().error("request failed", code=error.code, exc_info=error)
    return response(error.status, error.code, error.message, error.detail, headers)


async def _of_validation(error: RequestSchemaValidationError) -> ResponseReturnValue:
    return response(400, "invalid-request", f"The query is not valid: {error.validation_error}.")


async def _of_http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    detail = _ADVICE.get(status) or error.description or HTTPStatus(status).phrase
    sent = error.get_response().headers
    headers = {name: sent[name] for name in _KEPT_HEADERS if name in sent}
    return response(status, _code(status), detail, headers=headers)


async def _of_system(error: OSError) -> ResponseReturnValue:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return await _of_bug(error)
    structlog.get_logger().error("the disk is full", exc_info=error)
    return response(507, "storage-full", "The disk is full; nothing was kept. Try again when there is room.")


async def _of_host(error: HostFailed) -> ResponseReturnValue:
    structlog.get_logger().error("the plugin host failed", exc_info=error)
    detail = "The plugins can't be asked right now. Try again; if it lasts, the server's log says why."
    return response(503, "plugins-unavailable", detail, {"retry_after": 5}, {"Retry-After": "5"})


async def _of_bug(error: Exception) -> ResponseReturnValue:
    structlog.get_logger().error("request failed", exc_info=error)
    return response(500, _code(500), _ADVICE[500])


def _code(status: int) -> str:
    return CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "-").replace("'", "")
