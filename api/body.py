"""How JSON comes in and goes out: by msgspec, with every malformed body a 4xx.

Quart alone answers 500 to a body that isn't UTF-8 or is nested thousands deep; here both are the caller's error.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from quart import Request
from quart.json.provider import JSONProvider
from werkzeug.exceptions import UnsupportedMediaType

from autostack.core.errors import InputRefused

Model = TypeVar("Model")


class ApiRequest(Request):
    """A request whose JSON body is decoded straight into the type that its route declares."""

    async def decode(self, model: type[Model]) -> Model:
        """The JSON body as a `model`, types taken strictly ("7" is no number).

        Raises UnsupportedMediaType for another content type, InputRefused for a body that doesn't fit.
        """
        if not self.is_json:
            raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
        raw = await self.get_data(as_text=False)
        try:
            return msgspec.json.decode(raw, type=model)
        except msgspec.ValidationError as error:
            raise InputRefused(f"The body does not fit: {_sentence(error)}") from error
        except msgspec.DecodeError as error:
            raise InputRefused(f"The body is not JSON: {_sentence(error)}") from error
        except UnicodeDecodeError as error:
            raise InputRefused("The body is not JSON: it is not UTF-8.") from error
        except RecursionError as error:
            raise InputRefused("The body is not JSON that can be read: it is nested too deeply.") from error


class MsgspecJSON(JSONProvider):
    """Quart's JSON by msgspec, for what the framework itself encodes or decodes."""

    def dumps(self, obj: object, **kwargs: object) -> str:
        """The value as JSON text."""
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **kwargs: object) -> object:
        """The value of JSON text. Raises ValueError for whatever can't be read."""
        try:
            return msgspec.json.decode(s)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _sentence(error: Exception) -> str:
    return f"{error}".rstrip(".") + "."
