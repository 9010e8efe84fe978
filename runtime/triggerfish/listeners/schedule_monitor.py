"""Keeps in storage when each timer ran last and is due next, so that a missed run is caught up.

Storage that fails never stops a timer: it is logged, and the timer goes on as if nothing had
been stored. Behaviour: spec timer-trigger.md, sections 6.1 and 6.2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from triggerfish.bindings.timer import ScheduleStatus
from triggerfish.listeners.blob_receipts import HOST_CONTAINER
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.schedule import Schedule
from triggerfish.storage.account import AccountError, Blobs

CATEGORY: Final = "Host.Triggers.Timer"


@dataclass(frozen=True, slots=True)
class ScheduleMonitor:
    """The stored schedule status of the timers of one host id."""

    blobs: Blobs
    host_id: str
    zone: tzinfo
    log: Log

    async def read(self, function: str) -> ScheduleStatus | None:
        """Return what is stored, None where that is nothing or cannot be read."""
        path = self._path(function)
        try:
            blob = await self.blobs.get(HOST_CONTAINER, path)
            return None if blob is None else _parse(blob.content, self.zone)
        except AccountError as error:
            self._failed(function, f"The schedule status could not be read: {error}")
        except ValueError as error:
            self._failed(
                function,
                f"The schedule status in {HOST_CONTAINER}/{path} is damaged ({error}); "
                "the timer goes on as if there were none.",
            )
        return None

    async def write(self, function: str, status: ScheduleStatus) -> None:
        """Store ``status``."""
        content = json.dumps(status.document(self.zone)).encode()
        try:
            await self.blobs.put(HOST_CONTAINER, self._path(function), content)
        except AccountError as error:
            self._failed(function, f"The schedule status could not be written: {error}")

    def _path(self, function: str) -> str:
        return f"timers/{self.host_id}/Host.Functions.{function}/status"

    def _failed(self, function: str, message: str) -> None:
        self.log(
            LogLine(LogLevel.ERROR, CATEGORY, f"Timer '{function}': {message}", function=function)
        )


def status_at_start(
    stored: ScheduleStatus | None, schedule: Schedule, now: datetime, zone: tzinfo
) -> ScheduleStatus:
    """Return the status that a starting timer works with.

    It is ``stored`` itself where the schedule is still the one that it was written for;
    otherwise there is nothing to catch up with.
    """
    if stored is None:
        return ScheduleStatus(None, schedule.next_after(now, zone), now)
    expected = schedule.next_after(stored.last or stored.updated or now, zone)
    if expected == stored.next:
        return stored
    if expected is not None and now > expected:
        expected = schedule.next_after(now, zone)
    return ScheduleStatus(None, expected, now)


def _parse(content: bytes, zone: tzinfo) -> ScheduleStatus:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - as json.loads says it
    return ScheduleStatus.parse(document, zone)
