"""Runs a function whenever its schedule is due, never twice at once.

Behaviour: spec timer-trigger.md, sections 6 to 8 and 10.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from triggerfish.bindings.timer import ScheduleStatus, TimerTrigger, round_trip_text
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.listeners.schedule_monitor import CATEGORY, ScheduleMonitor, status_at_start
from triggerfish.model import Invoke, Log, LogLevel, LogLine
from triggerfish.schedule import IntervalSchedule, is_ambiguous
from triggerfish.timespan import timespan_text
from triggerfish_storage.clock import Clock

_OCCURRENCES_SHOWN: Final = 5
# Short, so that a clock that is set and a machine that slept are noticed.
_LONGEST_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class TimerListener:
    """Watches the clock for one timerTrigger."""

    trigger: TimerTrigger
    monitor: ScheduleMonitor
    locks: Locks
    terms: LockTerms
    zone: tzinfo
    invoke: Invoke
    clock: Clock
    log: Log

    async def listen(self, stopping: asyncio.Event) -> None:
        """Run until ``stopping``; return once a running invocation has ended."""
        trigger = self.trigger
        lock = f"Host.Functions.{trigger.function}.Listener"
        # What is not stored needs no storage: such a timer runs even if its lock cannot be had.
        async with self.locks.hold(
            lock, stopping, self.terms, required=trigger.is_monitored
        ) as held:
            if held:
                await self._run(stopping)

    async def _run(self, stopping: asyncio.Event) -> None:
        self._log_schedule()
        now = self.clock.now()
        status = await self._first_status(now)
        if self.trigger.is_monitored and status.next is not None and now > status.next:
            self._say(LogLevel.DEBUG, "It is past due and runs now.")
            original = round_trip_text(status.next, self.zone)
            status = await self._fire(
                status,
                is_past_due=True,
                details=f"UnscheduledInvocationReason: IsPastDue, OriginalSchedule: {original}",
            )
        elif self.trigger.run_on_startup:
            self._say(LogLevel.DEBUG, "It runs now because runOnStartup is set.")
            status = await self._fire(status, details="UnscheduledInvocationReason: RunOnStartup")
        while await self._is_due(status.next, stopping):
            status = await self._fire(status)

    async def _first_status(self, now: datetime) -> ScheduleStatus:
        trigger = self.trigger
        if not trigger.is_monitored:
            if trigger.use_monitor:
                self._say(LogLevel.DEBUG, "It is due too often for its schedule to be monitored.")
            return status_at_start(None, trigger.schedule, now, self.zone)
        stored = await self.monitor.read(trigger.function)
        if stored is not None:
            self._say(LogLevel.DEBUG, f"The stored status is {self._text(stored)}.")
        status = status_at_start(stored, trigger.schedule, now, self.zone)
        if status is not stored:
            await self.monitor.write(trigger.function, status)
        return status

    async def _is_due(self, due: datetime | None, stopping: asyncio.Event) -> bool:
        """Return True once ``due`` has come, False once stopping."""
        self._log_wait(due)
        while not stopping.is_set():
            left = _LONGEST_WAIT_SECONDS
            if due is not None:
                left = min((due - self.clock.now()).total_seconds(), left)
            if left <= 0:
                return True
            await self.clock.wait(stopping, within=left)
        return False

    async def _fire(
        self, status: ScheduleStatus, *, is_past_due: bool = False, details: str = ""
    ) -> ScheduleStatus:
        """Run the function once; return the status afterwards, whatever became of the run."""
        trigger, started = self.trigger, self.clock.now()
        event = trigger.event(
            started,
            self.zone,
            status=status if trigger.is_monitored else None,
            is_past_due=is_past_due,
            details=details,
        )
        try:
            await self.invoke(event)
        except Exception as error:  # one run that cannot even be tried must not end the schedule
            self._say(LogLevel.ERROR, f"It could not be run: {type(error).__name__}: {error}")
        after = ScheduleStatus(started, trigger.schedule.next_after(started, self.zone), started)
        self._say(LogLevel.DEBUG, f"The status is now {self._text(after)}.")
        if trigger.is_monitored:
            await self.monitor.write(trigger.function, after)
        return after

    def _log_schedule(self) -> None:
        schedule, zone = self.trigger.schedule, self.zone
        self._say(LogLevel.DEBUG, f"{schedule.log_form}, time zone {zone}.")
        if isinstance(schedule, IntervalSchedule):
            self._say(
                LogLevel.INFORMATION,
                "Its schedule is a timespan, which Azure runs on dedicated plans only.",
            )
        lines = []
        due: datetime | None = self.clock.now()
        for _ in range(_OCCURRENCES_SHOWN):
            due = schedule.next_after(due, zone) if due else None
            lines += [occurrence_text(due, zone)] if due else []
        self._say(
            LogLevel.INFORMATION,
            f"The next {_OCCURRENCES_SHOWN} occurrences of its schedule ({schedule.log_form}):\n"
            + ("\n".join(lines) or "none: there is no such date"),
        )

    def _log_wait(self, due: datetime | None) -> None:
        if due is None:
            self._say(LogLevel.DEBUG, "It is never due.")
            return
        now, zone = self.clock.now(), self.zone
        self._say(LogLevel.DEBUG, f"It waits for {timespan_text(due - now)}.")
        if is_ambiguous(due.astimezone(zone).replace(tzinfo=None), zone):
            self._say(
                LogLevel.DEBUG,
                f"At {round_trip_text(now, zone)} the next occurrence of "
                f"{self.trigger.schedule.log_form} falls into the hour that the clocks repeat in "
                f"{zone}; it is taken as {round_trip_text(due, zone)}.",
            )

    def _text(self, status: ScheduleStatus) -> str:
        return ", ".join(f"{key}='{text}'" for key, text in status.document(self.zone).items())

    def _say(self, level: LogLevel, message: str) -> None:
        name = self.trigger.function
        self.log(LogLine(level, CATEGORY, f"Timer '{name}': {message}", function=name))


def occurrence_text(instant: datetime, zone: tzinfo) -> str:
    """Return an instant as the list of occurrences shows it: ``MM/dd/yyyy HH:mm:ss`` and zone."""
    utc = f"{instant.astimezone(UTC):%m/%d/%Y %H:%M:%S}Z"
    local = instant.astimezone(zone)
    if not local.utcoffset():
        return utc
    return f"{local:%m/%d/%Y %H:%M:%S}{local.isoformat()[-6:]} ({utc})"
