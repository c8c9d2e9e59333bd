"""When a schedule is due next. Pure: an instant in, an instant out.

A cron expression speaks of the wall clock of its time zone. A local time that does not exist, because the clock is put
forward over it, is due once, right after the gap; one that comes twice, because the clock is put back, is due the first
time only. So every day that has a firing by the wall clock has it, and no firing comes twice.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, CroniterError, croniter

LEAST_INTERVAL = 300
"""Seconds."""

MAX_EXPRESSION = 255
_SIGNS = re.compile(r"[0-9A-Za-z*/,#?-]+")
_RANDOM = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)
"""What the parser would draw lots for: a schedule must be the same each time that it is read."""

_ANY_TIME = datetime(2000, 1, 1)
_MINUTE = timedelta(minutes=1)


def check_cron(expression: str) -> str:
    """The expression itself. Raises ValueError where it is none of five fields, or its time never comes."""
    fields = expression.split()
    if len(expression) > MAX_EXPRESSION or len(fields) != 5:
        raise ValueError("a cron expression has five fields: minute, hour, day of month, month, day of week")
    if not all(_SIGNS.fullmatch(field) and not _RANDOM.search(field) for field in fields):
        raise ValueError("a cron expression is made of numbers, names, '*', ',', '-', '/', '#', '?' and 'L'")
    try:
        croniter(expression, _ANY_TIME).get_next(datetime)
    except CroniterBadDateError as error:
        raise ValueError("the time of this cron expression never comes") from error
    except CroniterError as error:
        raise ValueError(f"this is no cron expression: {error}") from error
    return expression


def check_timezone(name: str) -> str:
    """The name itself. Raises ValueError for what is no IANA time zone."""
    if name not in _timezones():
        raise ValueError("this is no time zone; write an IANA name such as 'Europe/Berlin' or 'UTC'")
    return name


def next_cron(expression: str, timezone: str, after: datetime) -> datetime:
    """The first instant after `after` at which the expression is due, in UTC."""
    zone = ZoneInfo(timezone)
    times = croniter(expression, after.astimezone(zone).replace(tzinfo=None))
    while True:
        moment = _instant(times.get_next(datetime), zone)
        if moment > after:
            return moment


def next_interval(seconds: int, due: datetime, now: datetime) -> datetime:
    """A whole interval after a due time, or after now where that is over already: what was missed is not made up."""
    following = due + timedelta(seconds=seconds)
    return following if following > now else now + timedelta(seconds=seconds)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock of the zone shows a time, or would, were it not put forward over it."""
    early, late = wall.replace(tzinfo=zone), wall.replace(tzinfo=zone, fold=1)
    moment = early.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    moment = late.astimezone(UTC)  # within a gap this is before it
    while moment.astimezone(zone).utcoffset() != late.utcoffset():
        moment += _MINUTE
    return moment


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
