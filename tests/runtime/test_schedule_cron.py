"""Cron expressions: grammar, normal form and occurrences (timer-trigger.md, 2, 11 and 12)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish.cron import CronError, parse_cron
from triggerfish.schedule import ScheduleError, parse_schedule

VECTORS = Path(__file__).parent / "timer_vectors" / "cron.txt"
# expression, base, next occurrences, normal form (section 11)
OCCURRENCES = [
    tuple(part.strip("`") for part in line.split(" | "))
    for line in VECTORS.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]

# expression, what is said about it (section 12, and 2.2)
INVALID = [
    ("", "it has 0 fields"),
    ("* * * *", "it has 4 fields"),
    ("* * * * * * *", "it has 7 fields"),
    ("0 0 0 * * 7", "day of week 7 is not in 0-6"),
    ("60 * * * * *", "second 60 is not in 0-59"),
    ("0 60 * * * *", "minute 60 is not in 0-59"),
    ("0 0 24 * * *", "hour 24 is not in 0-23"),
    ("0 0 0 0 * *", "day 0 is not in 1-31"),
    ("0 0 0 32 * *", "day 32 is not in 1-31"),
    ("0 0 0 * 0 *", "month 0 is not in 1-12"),
    ("0 0 0 * 13 *", "month 13 is not in 1-12"),
    ("0 0 0 0/5 * *", "day 0 is not in 1-31"),
    ("0 0 0 * 0/3 *", "month 0 is not in 1-12"),
    ("0 0 0 ? * *", r"'\?' is no day"),
    ("0 0 0 L * *", "'L' is no day"),
    ("0 0 0 15W * *", "'15W' is no day"),
    ("0 0 0 * * 5#3", "'5#3' is no day of week"),
    ("@daily", "it has 1 field where"),
    ("0 0 0 * Foo *", "'Foo' is no month"),
    ("0 0 0 * Marx *", "'Marx' is no month"),
    ("0 0 0 * * Mondays", "'Mondays' is no day of week"),
    ("0 0 0 * Mon *", "'Mon' is no month"),
    ("Jan 0 0 * * *", "'Jan' is no second"),
    ("1, * * * * *", "'1,' is no second"),
    (",1 * * * * *", "',1' is no second"),
    ("1,,2 * * * * *", "'1,,2' is no second"),
    ("1-2-3 * * * * *", "'1-2-3' is no second"),
    ("*/5/2 * * * * *", "'.*/5/2' is no second"),
    ("*/ * * * * *", "'.*/' is no second"),
    ("/5 * * * * *", "'/5' is no second"),
    ("-1 * * * * *", "'-1' is no second"),
    ("5- * * * * *", "'5-' is no second"),
    ("*-5 * * * * *", "is no second"),
    ("** * * * * *", "is no second"),
    ("5* * * * * *", "is no second"),
    ("*/x * * * * *", "is no second"),
    ("*/1.5 * * * * *", "is no second"),
    ("1;2 * * * * *", "'1;2' is no second"),
    ("0\t*/5\t*\t*\t*\t*", "it has 1 field where"),
    ("0 0\n0 * * *", "is no hour"),
    ("24:00", "it has 1 field where"),
    ("10 minutes", "it has 2 fields"),
    ("*/2147483648 * * * * *", "the step 2147483648 is too large"),
    ("2147483648 * * * * *", "second 2147483648 is not in 0-59"),
    ("1" * 5000 + " * * * * *", "is no second"),
    ("٥ * * * * *", "is no second"),
]


@pytest.mark.parametrize(("text", "base", "following", "_normal_form"), OCCURRENCES)
def test_occurrences_follow_the_base(
    text: str, base: str, following: str, _normal_form: str
) -> None:
    schedule = parse_schedule(text)
    base_instant = datetime.fromisoformat(base).replace(tzinfo=UTC)

    if following == "never":
        assert schedule.next_after(base_instant, UTC) is None
        return
    due: datetime | None = base_instant
    for expected in following.split(" · "):
        assert due is not None
        due = schedule.next_after(due, UTC)
        assert due == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(("text", "_base", "_following", "normal_form"), OCCURRENCES)
def test_the_normal_form_has_every_value_once_and_means_the_same(
    text: str, _base: str, _following: str, normal_form: str
) -> None:
    schedule = parse_schedule(text)

    assert schedule.normal_form == normal_form
    assert schedule.log_form == f"Cron: '{normal_form}'"
    assert parse_schedule(normal_form) == schedule


@pytest.mark.parametrize(("text", "reason"), INVALID)
def test_an_invalid_expression_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match="is not a valid cron expression or timespan") as raised:
        parse_schedule(text)

    assert f"'{text}'" in str(raised.value)
    with pytest.raises(CronError, match=reason):
        parse_cron(text)


@pytest.mark.parametrize("name", ["Mond", "Tues", "Thurs", "thursday", "SATUR"])
def test_any_beginning_of_a_day_is_its_name(name: str) -> None:
    [day] = parse_cron(f"0 0 0 * * {name}").weekdays

    assert ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][day] == name[:3].capitalize()


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("J", 1),
        ("Ja", 1),
        ("F", 2),
        ("Febr", 2),
        ("M", 3),
        ("Mar", 3),
        ("A", 4),
        ("Ap", 4),
        ("May", 5),
        ("Ju", 6),
        ("Jun", 6),
        ("Jul", 7),
        ("Au", 8),
        ("Sept", 9),
        ("december", 12),
    ],
)
def test_the_first_month_that_begins_so_is_meant(name: str, month: int) -> None:
    assert parse_cron(f"0 0 0 1 {name} *").months == (month,)


def test_names_may_have_steps_and_be_ranges() -> None:
    assert parse_cron("0 0 0 * Jan/3 Mon-Fri/2").months == (1, 4, 7, 10)
    assert parse_cron("0 0 0 * Jan/3 Mon-Fri/2").weekdays == (1, 3, 5)


def test_an_expression_has_no_occurrence_after_the_last_year() -> None:
    cron = parse_cron("0 0 0 29 2 *")

    assert cron.next_after(datetime(9996, 2, 28)) == datetime(9996, 2, 29)
    assert cron.next_after(datetime(9996, 3, 1)) is None


# --- against a model that looks at every second -----------------------------------------------

_RANGES = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


@st.composite
def _fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, frozenset[int]]:
    """A field as text, and the values that it stands for."""
    values: set[int] = set()
    items = []
    for _ in range(draw(st.integers(1, 3))):
        first, last = draw(st.integers(low, high)), draw(st.integers(low, high))
        step = draw(st.integers(-2, 70))
        text, start, end = draw(
            st.sampled_from(
                [
                    ("*", low, high),
                    (f"{first}", first, first),
                    (f"{first}-{last}", min(first, last), max(first, last)),
                    (f"*/{step}", low, high),
                    (f"{first}/{step}", first, high),
                    (f"{first}-{last}/{step}", min(first, last), max(first, last)),
                ]
            )
        )
        values.update(range(start, end + 1, max(step, 1) if "/" in text else 1))
        items.append(text)
    return ",".join(items), frozenset(values)


_expressions = st.tuples(*(_fields(low, high) for low, high in _RANGES))
_bases = st.datetimes(datetime(1995, 1, 1), datetime(2105, 1, 1))


def _matches(wall: datetime, sets: list[frozenset[int]]) -> bool:
    weekday = wall.isoweekday() % 7
    parts = (wall.second, wall.minute, wall.hour, wall.day, wall.month, weekday)
    return all(part in values for part, values in zip(parts, sets, strict=True))


@given(_expressions, _bases)
def test_the_next_time_is_the_first_second_that_matches(
    expression: tuple[tuple[str, frozenset[int]], ...], base: datetime
) -> None:
    sets = [values for _, values in expression]

    following = parse_cron(" ".join(text for text, _ in expression)).next_after(base)

    second = base.replace(microsecond=0)
    for _ in range(600):
        second += timedelta(seconds=1)
        if _matches(second, sets):
            assert following == second
            return
    assert following is None or following > second


@settings(max_examples=60)
@given(_fields(1, 31), _fields(1, 12), _fields(0, 6), st.dates(date(1995, 1, 1), date(2105, 1, 1)))
def test_the_next_day_is_the_first_that_matches(
    days: tuple[str, frozenset[int]],
    months: tuple[str, frozenset[int]],
    weekdays: tuple[str, frozenset[int]],
    start: date,
) -> None:
    cron = parse_cron(f"0 0 0 {days[0]} {months[0]} {weekdays[0]}")

    following = cron.next_after(datetime.combine(start, datetime.min.time()))

    day = start
    for _ in range(45 * 366):
        day += timedelta(days=1)
        wanted = day.day in days[1] and day.month in months[1]
        if wanted and day.isoweekday() % 7 in weekdays[1]:
            assert following == datetime.combine(day, datetime.min.time())
            return
    assert following is None


@given(_expressions)
def test_the_normal_form_of_any_expression_means_the_same(
    expression: tuple[tuple[str, frozenset[int]], ...],
) -> None:
    cron = parse_cron(" ".join(text for text, _ in expression))

    assert parse_cron(" ".join(cron.fields)) == cron
    found = (cron.seconds, cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    assert found == tuple(tuple(sorted(values)) for _, values in expression)
