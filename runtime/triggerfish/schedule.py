"""When a timer is due: cron expressions in a time zone, and fixed intervals.

Pure: callers pass the time and the zone in. Instants go in and out as aware UTC.
Behaviour: spec timer-trigger.md, sections 2 to 5 and 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from triggerfish.cron import LAST_YEAR, Cron, CronError, parse_cron
from triggerfish.model import TriggerfishError
from triggerfish.timespan import parse_timespan, timespan_text

_NOTHING: Final = timedelta()


class ScheduleError(TriggerfishError):
    """A schedule that is neither a cron expression nor a timespan."""


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Due whenever the wall clock of a zone matches a cron expression."""

    cron: Cron

    @property
    def normal_form(self) -> str:
        return " ".join(self.cron.fields)

    @property
    def log_form(self) -> str:
        return f"Cron: '{self.normal_form}'"

    @property
    def adjusts_for_dst(self) -> bool:
        return True

    @property
    def is_interval(self) -> bool:
        """Whether it means "every so often" and not points in time (section 5)."""
        time_fields = self.cron.fields[: 3 if self.cron.has_seconds else 2]
        return any("*" in field or "-" in field for field in time_fields)

    @property
    def is_frequent(self) -> bool:
        """Whether it is due several times a minute, too often to be monitored (6.4)."""
        several_seconds = self.cron.has_seconds and len(self.cron.seconds) > 1
        return several_seconds and set(self.cron.fields[1:]) == {"*"}

    def next_after(self, base: datetime, zone: tzinfo) -> datetime | None:
        """Return the next occurrence later than ``base``, None where there never is one.

        Where the clocks change in between, the time is moved as section 5 says.
        """
        local = base.astimezone(zone)
        wall = self.cron.next_after(local.replace(tzinfo=None))
        if wall is None:
            return None
        return (self._interval if self.is_interval else self._point_in_time)(local, wall, zone)

    def _point_in_time(self, local: datetime, wall: datetime, zone: tzinfo) -> datetime | None:
        following: datetime | None = wall
        if is_ambiguous(wall, zone):
            if local.utcoffset() != _offset(wall, zone, fold=1):
                return _instant(wall, zone, fold=0)
            # This time has been already, before the clocks went back.
            while following is not None and is_ambiguous(following, zone):
                following = self.cron.next_after(following)
        return None if following is None else _instant(following, zone, fold=0)

    def _interval(self, local: datetime, wall: datetime, zone: tzinfo) -> datetime:
        repeats = is_ambiguous(wall, zone)
        due = _instant(wall, zone, fold=1 if repeats else 0)
        if repeats or is_ambiguous(local, zone):
            # Where the clocks go back in between, their repeated hour is gone through twice.
            change = (local.utcoffset() or _NOTHING) - _offset(wall, zone, fold=1)
            due -= max(change, _NOTHING)
        return due


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Due whenever ``interval`` has passed, whatever the clocks show."""

    interval: timedelta

    @property
    def normal_form(self) -> str:
        return timespan_text(self.interval)

    @property
    def log_form(self) -> str:
        return f"Constant: {self.normal_form}"

    @property
    def adjusts_for_dst(self) -> bool:
        return False

    @property
    def is_frequent(self) -> bool:
        """Whether it is due several times a minute, too often to be monitored (6.4)."""
        return self.interval < timedelta(minutes=1)

    def next_after(self, base: datetime, zone: tzinfo) -> datetime | None:
        """Return the instant that is one interval later than ``base``."""
        try:
            due = base.astimezone(UTC) + self.interval
        except OverflowError:
            return None
        return due if due.year <= LAST_YEAR else None


Schedule = CronSchedule | IntervalSchedule


def parse_schedule(text: str) -> Schedule:
    """Return the schedule that ``text`` stands for. Raises ``ScheduleError``."""
    try:
        return CronSchedule(parse_cron(text))
    except CronError as error:
        reason = str(error)
    try:
        interval = parse_timespan(text)
    except ValueError:
        raise _no_schedule(text, reason) from None
    if interval <= _NOTHING:
        raise _no_schedule(text, "an interval must be longer than zero")
    return IntervalSchedule(interval)


def _no_schedule(text: str, reason: str) -> ScheduleError:
    return ScheduleError(
        f"The schedule expression '{text}' is not a valid cron expression or timespan string: "
        f"{reason}."
    )


def _offset(wall: datetime, zone: tzinfo, *, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or _NOTHING


def is_ambiguous(wall: datetime, zone: tzinfo) -> bool:
    """Whether the clocks of ``zone`` show ``wall``, a time without zone, twice."""
    return _offset(wall, zone, fold=0) > _offset(wall, zone, fold=1)


def _instant(wall: datetime, zone: tzinfo, *, fold: int) -> datetime:
    # In a spring gap a fold of 0 reads the wall time with the offset before the change.
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
