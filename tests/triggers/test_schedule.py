"""Due times, above all where a clock is put forward or back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from coterie.triggers.schedule import check_cron, check_timezone, next_cron, next_interval


def due(expression: str, timezone: str, after: str, count: int) -> list[str]:
    """The next due times in UTC."""
    moment, found = datetime.fromisoformat(after).replace(tzinfo=UTC), []
    for _ in range(count):
        moment = next_cron(expression, timezone, moment)
        found.append(moment.strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", ["28 01:30", "29 01:00", "30 00:30"]),
        ("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["29 01:00", "30 00:00"]),
        ("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:30", ["29 00:40", "29 01:00", "29 01:20"]),
        ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["29 01:00", "29 01:30", "30 00:00"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["08 07:00", "09 06:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["03 15:30", "04 15:15"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00", ["29 22:00", "30 10:00", "30 22:00"]),
    ],
)
def test_a_time_that_does_not_exist_is_due_once_right_after_the_gap(
    expression: str, timezone: str, after: str, expected: list[str]
) -> None:
    assert due(expression, timezone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["25 00:30", "26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["26 01:30"]),
        ("*/20 * * * *", "Europe/Berlin", "2026-10-25T00:30", ["25 00:40", "25 02:00", "25 02:20"]),
        ("0 3 * * *", "Europe/Berlin", "2026-10-25T00:30", ["25 02:00", "26 02:00"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["01 05:30", "02 06:30"]),
    ],
)
def test_a_time_that_comes_twice_is_due_the_first_time(
    expression: str, timezone: str, after: str, expected: list[str]
) -> None:
    assert due(expression, timezone, after, len(expected)) == expected


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/New_York"])
def test_a_daily_time_comes_once_on_every_day_of_a_year(timezone: str) -> None:
    zone, first = ZoneInfo(timezone), date(2026, 1, 2)
    for hour in range(5):
        moment, days = datetime(2026, 1, 1, 12, tzinfo=UTC), []
        for _ in range(365):
            moment = next_cron(f"30 {hour} * * *", timezone, moment)
            days.append(moment.astimezone(zone).date())
        assert days == [first + timedelta(days=number) for number in range(365)]


def test_cron_is_the_usual_one() -> None:
    assert due("0 9 * * mon-fri", "UTC", "2026-03-06T10:00", 2) == ["09 09:00", "10 09:00"]
    assert due("0 0 13 * fri", "UTC", "2026-03-01T00:00", 3) == ["06 00:00", "13 00:00", "20 00:00"]
    assert due("0 0 L * *", "UTC", "2028-02-10T00:00", 1) == ["29 00:00"]
    assert due("59 23 31 12 *", "UTC", "2026-03-01T00:00", 1) == ["31 23:59"]
    exactly = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert next_cron("0 9 * * *", "UTC", exactly) == exactly + timedelta(days=1)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "no cron expression"),
        ("*/0 * * * *", "no cron expression"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("R * * * *", "made of"),
        ("0 h(0-5) * * *", "made of"),
        ("٣ * * * *", "made of"),
        ("0," * 200 + "0 * * * *", "five fields"),
    ],
)
def test_a_bad_expression_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(expression)


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 * mar THU", "5/10 * * * *", "0 0 ? * sat#2"])
def test_a_good_expression_is_taken(expression: str) -> None:
    assert check_cron(expression) == expression


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "Europe", "/etc/localtime", "europe/berlin\x00"])
def test_a_bad_timezone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        check_timezone(name)


def test_an_interval_keeps_its_beat_and_makes_up_for_nothing() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert next_interval(300, noon, noon + timedelta(seconds=2)) == noon + timedelta(seconds=300)
    late = noon + timedelta(days=3)
    assert next_interval(300, noon, late) == late + timedelta(seconds=300)
