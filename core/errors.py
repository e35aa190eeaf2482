"""What can go wrong for a caller. Each error carries a code for machines, and a message that says what to do."""

from typing import ClassVar


class AutoStackError(Exception):
    """Base of all errors that a user can be shown.

    code    machine-readable, kebab-case; `exit` the command line's exit code; `status` the HTTP status.
    """

    code: ClassVar[str] = "failed"
    exit: ClassVar[int] = 1
    status: ClassVar[int] = 500

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class InputRefused(AutoStackError):
    """An upload, name or setting that is wrong: the message names what, where, and what to do."""

    code = "input-refused"
    exit = 3
    status = 400


class NotFound(AutoStackError):
    """No such thing, or it belongs to somebody else: the answer is the same."""

    code = "not-found"
    exit = 3
    status = 404


class Declined(AutoStackError):
    """The target can't take this application, or the user said no."""

    code = "declined"
    exit = 4
    status = 422


class Busy(AutoStackError):
    """Somebody else holds what is needed, or a limit is reached. `detail["retry_after"]` are seconds, where known."""

    code = "busy"
    exit = 5
    status = 409


class LimitReached(Busy):
    """One of the owner's limits. `detail` has `limit` and what it counts."""

    code = "limit-reached"
    status = 403


class Conflict(Busy):
    """The thing is not in a state in which this can be done."""

    code = "conflict"
