"""Cron expressions as the Functions host reads them: fields, normal form, matching wall times.

Knows no time zone: everything here is wall-clock time (``schedule`` adds zones). All fields
must match, day of month and day of week too, which is why no general cron library steps
here (docs/design/schedules.md). Pure. Behaviour: spec timer-trigger.md, section 2.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Final

from triggerfish.model import TriggerfishError

LAST_YEAR: Final = 9998  # the last in which every hour has an instant in every zone
_LARGEST_NUMBER: Final = 2**31 - 1
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM: Final = re.compile(
    r"(?P<first>\*|[0-9]{1,99}|[A-Za-z]+)(?:-(?P<last>[0-9]{1,99}|[A-Za-z]+))?(?:/(?P<step>[+-]?[0-9]{1,99}))?"
)


class CronError(TriggerfishError):
    """A text that is no cron expression; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What one field may hold. ``names`` stand for its values from the lowest on."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression: the sorted values of each field, Sunday being day of week 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    has_seconds: bool

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in normal form, as many as were written (section 2.4)."""
        values = (
            self.seconds,
            self.minutes,
            self.hours,
            self.days,
            self.months,
            self.weekdays,
        )
        texts = tuple(map(_normal, _FIELDS, values))
        return texts if self.has_seconds else texts[1:]

    def next_after(self, wall: datetime) -> datetime | None:
        """Return the first matching time later than the whole second of ``wall``."""
        if self._matches(wall.date()) and (later := self._time_after(wall.time())):
            return datetime.combine(wall.date(), later)
        first = time(self.hours[0], self.minutes[0], self.seconds[0])
        day = next(self._days_after(wall.date()), None)
        return None if day is None else datetime.combine(day, first)

    def _matches(self, day: date) -> bool:
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def _time_after(self, start: time) -> time | None:
        hours, minutes, seconds = self.hours, self.minutes, self.seconds
        if start.hour in hours:
            if start.minute in minutes and (second := _after(seconds, start.second)) is not None:
                return time(start.hour, start.minute, second)
            if (minute := _after(minutes, start.minute)) is not None:
                return time(start.hour, minute, seconds[0])
        hour = _after(hours, start.hour)
        return None if hour is None else time(hour, minutes[0], seconds[0])

    def _days_after(self, start: date) -> Iterator[date]:
        if all(self.days[0] > _LONGEST_MONTHS[month - 1] for month in self.months):
            return  # 30 February: without this the search would go through every year
        for year in range(start.year, LAST_YEAR + 1):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                _, length = monthrange(year, month)
                for number in self.days[: bisect_right(self.days, length)]:
                    day = date(year, month, number)
                    if day > start and day.isoweekday() % 7 in self.weekdays:
                        yield day


def parse_cron(text: str) -> Cron:
    """Return the expression that ``text`` is, five or six fields. Raises ``CronError``."""
    parts = [part for part in text.split(" ") if part]
    if len(parts) not in (5, 6):
        raise CronError(
            f"it has {len(parts)} field{'' if len(parts) == 1 else 's'} where 6 are expected "
            "(second minute hour day month day-of-week), or 5 without second"
        )
    has_seconds = len(parts) == 6
    second, minute, hour, day, month, weekday = map(
        _values, _FIELDS, parts if has_seconds else ["0", *parts]
    )
    return Cron(second, minute, hour, day, month, weekday, has_seconds)


def _values(field: _Field, text: str) -> tuple[int, ...]:
    values: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (match["first"] == "*" and match["last"]):
            raise CronError(f"'{text}' is no {field.title}")
        first, last = _bounds(field, match)
        values.update(range(first, last + 1, _step(match["step"])))
    return tuple(sorted(values))


def _bounds(field: _Field, match: re.Match[str]) -> tuple[int, int]:
    if match["first"] == "*":
        return field.low, field.high
    first = _value(field, match["first"])
    if match["last"]:
        last = _value(field, match["last"])
        return min(first, last), max(first, last)
    return first, field.high if match["step"] else first


def _value(field: _Field, text: str) -> int:
    if text.isdigit():
        number = int(text)
        if not field.low <= number <= field.high:
            raise CronError(f"{field.title} {text} is not in {field.low}-{field.high}")
        return number
    for offset, name in enumerate(field.names):
        if name.startswith(text.lower()):
            return field.low + offset
    raise CronError(f"'{text}' is no {field.title}")


def _step(text: str | None) -> int:
    step = int(text or 1)
    if not -_LARGEST_NUMBER <= step <= _LARGEST_NUMBER:
        raise CronError(f"the step {text} is too large")
    return max(step, 1)


def _after(values: Sequence[int], value: int) -> int | None:
    index = bisect_right(values, value)
    return values[index] if index < len(values) else None


def _normal(field: _Field, values: tuple[int, ...]) -> str:
    if len(values) == field.high - field.low + 1:
        return "*"
    runs = (
        [value for _, value in run]
        for _, run in groupby(enumerate(values), key=lambda pair: pair[1] - pair[0])
    )
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
