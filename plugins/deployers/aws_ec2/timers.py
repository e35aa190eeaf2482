"""A cron schedule (five fields, UTC) as calendar expressions of systemd timers.

Cron runs a job when the day of the month *or* the day of the week fits, if both are given (POSIX, crontab); a calendar
expression wants both to fit. Such a schedule becomes two expressions: a timer takes any number, and fires for each.
Syntax: https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html#Calendar%20Events
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class BadSchedule(ValueError):
    """A schedule that cron would refuse."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),  # both 0 and 7 are Sunday
)


def on_calendar(schedule: str) -> list[str]:
    """The values of `OnCalendar=` that together fire exactly when the cron schedule does. Raises BadSchedule."""
    fields = _NICKNAMES.get(schedule.strip().lower(), schedule).split()
    if len(fields) != len(_FIELDS):
        raise BadSchedule(f"{schedule!r} has {len(fields)} fields instead of five")
    minute, hour, day, month, weekday = (_values(text, field) for text, field in zip(fields, _FIELDS, strict=True))
    weekdays = None if weekday is None else sorted({number % 7 for number in weekday})
    time = f"{_list(hour, 2)}:{_list(minute, 2)}:00 UTC"
    every_day = f"*-{_list(month, 2)}-*"
    one_day = f"*-{_list(month, 2)}-{_list(day, 2)}"
    named = "" if weekdays is None else ",".join(_DAYS[number].capitalize() for number in weekdays) + " "
    if day is not None and weekdays is not None:
        return [f"{one_day} {time}", f"{named}{every_day} {time}"]
    return [f"{named}{one_day} {time}"]


def _list(numbers: list[int] | None, width: int) -> str:
    return "*" if numbers is None else ",".join(f"{number:0{width}d}" for number in numbers)


def _values(text: str, field: _Field) -> list[int] | None:
    """The numbers that a field admits, sorted; None for any."""
    if text == "*":
        return None
    found: set[int] = set()
    for part in text.split(","):
        found.update(_part(part, field))
    return sorted(found)


def _part(part: str, field: _Field) -> range:
    span, slash, step_text = part.partition("/")
    step = 1
    if slash:
        if not step_text.isdecimal() or not 1 <= int(step_text[:4]) <= field.high + 1:
            raise BadSchedule(f"{part!r} is no step of the {field.name}")
        step = int(step_text)
    if span == "*":
        low, high = field.low, field.high
    else:
        first, dash, last = span.partition("-")
        low = _number(first, field)
        # "5/15" without a range starts at 5 and goes on to the end, as Vixie cron's successors read it
        high = _number(last, field) if dash else (field.high if slash else low)
    if low > high:
        raise BadSchedule(f"{part!r} is no range of the {field.name}")
    return range(low, high + 1, step)


def _number(text: str, field: _Field) -> int:
    word = text.lower()
    if word in field.words:
        return field.words.index(word) + (1 if field.words is _MONTHS else 0)
    if not (word.isascii() and word.isdecimal() and len(word) <= 2 and field.low <= int(word) <= field.high):
        raise BadSchedule(f"{text!r} is no {field.name}")
    return int(word)
