"""The file of a multipart form (RFC 7578), written down as it arrives, wherever it stands among the form's parts.

Quart's own parser would keep it in the system's temporary folder, and reads a part's header of any length at one go:
nine megabytes of one hold up the event loop for seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from typing import BinaryIO, Final

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import BLANK_LINE_RE, Data, Event, File, MultipartDecoder, NeedData, State

from autostack.core.errors import InputRefused

PARTS: Final = 100
HEADER: Final = 16 * 1024
LONGEST_BOUNDARY: Final = 200  # RFC 2046, 5.1.1, takes 70


async def read_file(chunks: AsyncIterable[bytes], boundary: str, field: str, into: BinaryIO) -> str | None:
    """Write the one file that the form has in this field; the name that the sender gives it.

    Raises InputRefused for what isn't a whole form, or has no file there or several; RequestEntityTooLarge for too many
    parts, or a part with too long a header.
    """
    if not 1 <= len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii():
        raise _damaged(field)
    decoder = _Decoder(boundary.encode(), max_parts=PARTS)
    names: list[str] = []
    wanted = False
    try:
        async for chunk in chunks:
            for event in decoder.events(chunk):
                if isinstance(event, Data):
                    if wanted and len(names) == 1:
                        into.write(event.data)
                    continue
                wanted = isinstance(event, File) and event.name == field
                if wanted and isinstance(event, File):
                    names.append(event.filename)
        for _ in decoder.events(None):
            pass
    except (ValueError, KeyError) as error:
        raise _damaged(field) from error
    if len(names) != 1:
        found = f"has {len(names)} files" if names else "has no file"
        raise InputRefused(f"The form {found} in its field {field!r}: curl -F {field}=@app.zip", field=field)
    return names[0]


class _Decoder(MultipartDecoder):
    """werkzeug's, which looks for the end of a part's header within bounds alone."""

    def events(self, chunk: bytes | None) -> Iterator[Event]:
        """What the next chunk brings; None is the end of the body."""
        self.receive_data(chunk)
        while self.state is not State.COMPLETE:
            if self.state is State.PART and len(self.buffer) > HEADER:
                self._check_header()
            event = self.next_event()
            if isinstance(event, NeedData):
                return
            yield event

    def _check_header(self) -> None:
        if BLANK_LINE_RE.search(self.buffer, 0, HEADER) is None:
            raise RequestEntityTooLarge(f"The header of a part has more than {HEADER:,} bytes.")


def _damaged(field: str) -> InputRefused:
    return InputRefused(f"The form is damaged, or ends too early: curl -F {field}=@app.zip sends one.", field=field)
