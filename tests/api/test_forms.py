"""Forms that carry a file, whole and in the smallest pieces, and those that are none."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from werkzeug.exceptions import RequestEntityTooLarge

from autostack.api.forms import HEADER, PARTS, read_file
from autostack.core.errors import InputRefused

FILE = b'Content-Disposition: form-data; name="file"; filename="app.zip"\r\n\r\n'
TEXT = b'Content-Disposition: form-data; name="note"\r\n\r\n'


def form(*parts: bytes) -> bytes:
    return b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"


async def read(body: bytes, boundary: str = "edge", pieces: int = 1 << 20) -> tuple[str | None, bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), pieces):
            yield body[at : at + pieces]

    into = io.BytesIO()
    return await read_file(chunks(), boundary, "file", into), into.getvalue()


@pytest.mark.parametrize("pieces", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("content", [b"PK\r\n--edg\r\n\r\n-edge", b"", b"\r" * 500, b"\0\xff" * 300])
async def test_the_file_arrives_whatever_the_pieces(content: bytes, pieces: int) -> None:
    body = form(TEXT + b"hello", FILE + content, TEXT + b"bye")
    assert await read(body, pieces=pieces) == ("app.zip", content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        form(),
        form(TEXT + b"hello"),
        form(FILE + b"one", FILE + b"two"),
        form(FILE + b"cut")[:-6],
        form(b"X: y\r\n\r\n1"),
        form(b"\xff: \xff\r\n\r\n1"),
        form(FILE.replace(b"app", b"\xff") + b"1"),
    ],
)
async def test_what_is_not_a_form_with_one_file_is_refused(body: bytes) -> None:
    with pytest.raises(InputRefused, match="file"):
        await read(body)


@pytest.mark.parametrize("boundary", ["", "x" * 201, "é"])
async def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(InputRefused):
        await read(form(FILE), boundary)


@pytest.mark.parametrize(
    "body",
    [form(b"X: " + b"y" * HEADER + b"\r\n" + FILE), form(*[TEXT] * (PARTS + 1)), b"--edge\r\n" + b"y" * 2 * HEADER],
)
async def test_long_headers_and_many_parts_are_too_large(body: bytes) -> None:
    with pytest.raises(RequestEntityTooLarge):
        await read(body, pieces=4096)
