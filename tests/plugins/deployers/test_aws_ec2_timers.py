"""Cron schedules as systemd calendar expressions: the same minutes, none more and none less."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from autostack.plugins.deployers.aws_ec2.timers import BadSchedule, on_calendar


@pytest.mark.parametrize(
    ("schedule", "calendar"),
    [
        ("* * * * *", ["*-*-* *:*:00 UTC"]),
        ("30 2 * * *", ["*-*-* 02:30:00 UTC"]),
        ("*/15 * * * *", ["*-*-* *:00,15,30,45:00 UTC"]),
        ("0 9-17/4 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 09,13,17:00:00 UTC"]),
        ("0 0 1 JAN *", ["*-01-01 00:00:00 UTC"]),
        ("5 4 * * sun", ["Sun *-*-* 04:05:00 UTC"]),
        ("5 4 * * 7", ["Sun *-*-* 04:05:00 UTC"]),
        ("5 4 * * 5-7", ["Sun,Fri,Sat *-*-* 04:05:00 UTC"]),
        ("0 12 1,15 * 1", ["*-*-01,15 12:00:00 UTC", "Mon *-*-* 12:00:00 UTC"]),
        ("@daily", ["*-*-* 00:00:00 UTC"]),
        ("@weekly", ["Sun *-*-* 00:00:00 UTC"]),
    ],
)
def test_a_schedule_becomes_calendar_expressions(schedule: str, calendar: list[str]) -> None:
    assert on_calendar(schedule) == calendar


@pytest.mark.parametrize(
    "schedule",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
        "5-1 * * * *", "a * * * *", "*/99999999999 * * * *", "1,,2 * * * *", "-1 * * * *", "@reboot", "٣ * * * *",
        "0 0 * * * \nExecStart=/bin/sh", "every day",
    ],
)  # fmt: skip
def test_what_cron_would_refuse_is_refused(schedule: str) -> None:
    with pytest.raises(BadSchedule):
        on_calendar(schedule)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    ("schedule", "fires"),
    [
        ("15 3 * * *", lambda t: (t.hour, t.minute) == (3, 15)),
        ("0 6 1 * 1", lambda t: (t.hour, t.minute) == (6, 0) and (t.day == 1 or t.isoweekday() == 1)),
        ("0 */8 * 2 0", lambda t: t.minute == 0 and t.hour % 8 == 0 and t.month == 2 and t.isoweekday() == 7),
    ],
)
def test_systemd_fires_when_cron_would(schedule: str, fires: object) -> None:
    assert callable(fires)
    start = datetime(2026, 1, 30, tzinfo=UTC)
    wanted = [t for n in range(60 * 24 * 45) if fires(t := start + timedelta(minutes=n))][:6]
    found: set[datetime] = set()
    for expression in on_calendar(schedule):
        base = f"--base-time={start - timedelta(seconds=1):%F %T} UTC"
        command = ["systemd-analyze", "calendar", "--iterations=6", base]
        done = subprocess.run(
            [*command, expression], capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C"}
        )
        for line in done.stdout.splitlines():
            name, _, rest = line.strip().partition(": ")
            if name.startswith(("Next elapse", "Iter")):
                found.add(datetime.strptime(rest.strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC))
    assert sorted(found)[: len(wanted)] == wanted
