"""Timer trigger: what a due timer looks like to its function.

When it is due is the listener's. Behaviour: spec timer-trigger.md, sections 1, 6.3 and 9.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from triggerfish.bindings.plan import BY_HAND
from triggerfish.expressions import BindingData
from triggerfish.model import Binding, Datum, Delivery, TriggerEvent, TriggerfishError
from triggerfish.schedule import Schedule, parse_schedule

_UNSET: Final = "0001-01-01T00:00:00"
_NEVER: Final = "9999-12-31T23:59:59.9999999"


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """When a timer ran last and is due next; ``next`` is None where it never is."""

    last: datetime | None
    next: datetime | None
    updated: datetime | None

    def document(self, zone: tzinfo) -> dict[str, str]:
        """Return what is stored and what functions are given, in local time of ``zone``."""
        return {
            "Last": _local(self.last, zone) if self.last else _UNSET,
            "Next": _local(self.next, zone) if self.next else _NEVER,
            "LastUpdated": _local(self.updated, zone) if self.updated else _UNSET,
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any], zone: tzinfo) -> ScheduleStatus:
        """Read a document; texts without offset are in ``zone``. Raises ``ValueError``."""
        return cls(
            *(_instant(document.get(name), zone) for name in ("Last", "Next", "LastUpdated"))
        )


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A timerTrigger with its schedule, which ``expression`` says as its author wrote it."""

    function: str
    parameter: str
    expression: str
    schedule: Schedule
    run_on_startup: bool = False
    use_monitor: bool = True

    @property
    def completes_in(self) -> None:
        return None

    @property
    def is_monitored(self) -> bool:
        """Whether the schedule's status is kept in storage (section 6.4)."""
        return self.use_monitor and not self.schedule.is_frequent

    def event(
        self,
        started: datetime,
        zone: tzinfo,
        *,
        status: ScheduleStatus | None,
        is_past_due: bool = False,
        details: str = "",
    ) -> TriggerEvent:
        """Return what a timer that fires gives its function; ``status`` is the one before."""
        document = status.document(zone) if status else None
        return self._event(
            started.astimezone(zone),
            self._timer(document, is_past_due=is_past_due),
            reason=f"Timer fired at {round_trip_text(started, zone)}",
            details=details,
        )

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        return self._event(now, self._timer(None), reason=BY_HAND)

    def again(self, delivery: Delivery) -> TriggerEvent:
        record = delivery.metadata
        at = record.get("at")
        return self._event(
            datetime.fromisoformat(at) if isinstance(at, str) else delivery.at,
            record.get("timer") or self._timer(None),
            reason=f"Replay of '{delivery.id}'.",
            replay_of=delivery.id,
        )

    def _timer(
        self, status: Mapping[str, str] | None, *, is_past_due: bool = False
    ) -> dict[str, Any]:
        return {
            "Schedule": {"AdjustForDST": self.schedule.adjusts_for_dst},
            "ScheduleStatus": status,
            "IsPastDue": is_past_due,
        }

    def _event(
        self,
        started: datetime,
        timer: Mapping[str, Any],
        *,
        reason: str,
        details: str = "",
        replay_of: str = "",
    ) -> TriggerEvent:
        start_text = f"{started:%m/%d/%Y %H:%M:%S}"
        return TriggerEvent(
            function=self.function,
            datum=Datum("json", json.dumps(timer)),
            metadata={"TimerTrigger": start_text},
            # The timer itself has no text: {name of the parameter} renders as nothing.
            binding_data=BindingData({"TimerTrigger": start_text}, {self.parameter: None}),
            payload=b"",
            source=self.expression,
            reason=reason,
            details=details,
            record={"at": started.isoformat(), "timer": timer},
            replay_of=replay_of,
        )


def timer_trigger(function: str, binding: Binding) -> TimerTrigger:
    """Return the trigger that a binding declares. Raises ``TriggerfishError`` naming the key."""
    expression = str(binding.properties.get("schedule") or "")
    return TimerTrigger(
        function=function,
        parameter=binding.name,
        expression=expression,
        schedule=parse_schedule(expression),
        run_on_startup=_flag(binding, "runOnStartup", default=False),
        use_monitor=_flag(binding, "useMonitor", default=True),
    )


def round_trip_text(instant: datetime, zone: tzinfo) -> str:
    """Return ``instant`` in local time as .NET's round-trip format has it, with seven digits."""
    local = instant.astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M:%S.%f}0{local.isoformat()[-6:]}"


def _flag(binding: Binding, key: str, *, default: bool) -> bool:
    value = binding.properties.get(key)
    if value is None:
        return default
    text = str(value).lower()
    if text not in ("true", "false"):
        raise TriggerfishError(
            f"binding '{binding.name}': {key}: expected true or false, not '{value}'."
        )
    return text == "true"


def _local(instant: datetime, zone: tzinfo) -> str:
    local = instant.astimezone(zone)
    whole, offset = f"{local:%Y-%m-%dT%H:%M:%S}", local.isoformat()[-6:]
    fraction = f".{local:%f}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}{offset}"


def _instant(text: object, zone: tzinfo) -> datetime | None:
    if text is None:
        return None
    local = datetime.fromisoformat(str(text))
    if local.year in (1, 9999):  # .NET's smallest and largest date: unset, and never
        return None
    return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
