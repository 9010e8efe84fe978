"""What a timer gives its function, by itself, by hand and replayed (timer-trigger.md, 1 and 9)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from triggerfish.bindings.timer import ScheduleStatus, TimerTrigger, timer_trigger
from triggerfish.model import Binding, TriggerfishError

if TYPE_CHECKING:
    from conftest import Keep

NOW = datetime(2024, 1, 1, 10, 0, 0, 400, tzinfo=UTC)
STATUS = ScheduleStatus(
    last=datetime(2024, 1, 1, 9, 59, 0, 400, tzinfo=UTC),
    next=datetime(2024, 1, 1, 10, tzinfo=UTC),
    updated=datetime(2024, 1, 1, 9, 59, 0, 400, tzinfo=UTC),
)


def trigger(schedule: str = "0 * * * * *", **properties: object) -> TimerTrigger:
    binding = Binding("timer", "timerTrigger", "in", {"schedule": schedule, **properties})
    return timer_trigger("tick", binding)


def test_a_function_is_given_the_status_before_this_run() -> None:
    event = trigger().event(NOW, UTC, status=STATUS)

    assert event.datum.kind == "json"
    assert json.loads(event.datum.value) == {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": "2024-01-01T09:59:00.0004+00:00",
            "LastUpdated": "2024-01-01T09:59:00.0004+00:00",
            "Next": "2024-01-01T10:00:00+00:00",
        },
        "IsPastDue": False,
    }
    assert event.reason == "Timer fired at 2024-01-01T10:00:00.0004000+00:00"
    assert event.payload == b""


def test_the_history_has_the_schedule_as_its_author_wrote_it() -> None:
    assert trigger("*/15 * * * * *").event(NOW, UTC, status=None).source == "*/15 * * * * *"


def test_a_timespan_does_not_adjust_for_daylight_saving() -> None:
    event = trigger("00:00:15").event(NOW, UTC, status=None, is_past_due=True)

    assert json.loads(event.datum.value) == {
        "Schedule": {"AdjustForDST": False},
        "ScheduleStatus": None,
        "IsPastDue": True,
    }


def test_templates_may_name_the_start_time_in_local_time() -> None:
    event = trigger().event(NOW, ZoneInfo("Europe/Berlin"), status=None)

    assert event.binding_data["timertrigger"] == "01/01/2024 11:00:00"
    assert event.metadata["TimerTrigger"] == "01/01/2024 11:00:00"


async def test_a_manual_run_ignores_its_input_and_is_not_past_due() -> None:
    event = await trigger().by_hand("whatever", now=NOW)

    assert json.loads(event.datum.value)["IsPastDue"] is False
    assert "programmatically called" in event.reason
    assert event.details == ""


def test_a_replay_gives_the_function_what_it_got_before(keep: Keep) -> None:
    event = trigger().event(NOW, ZoneInfo("Europe/Berlin"), status=STATUS, is_past_due=True)

    again = trigger().again(keep("timerTrigger", event))

    assert again.datum == event.datum
    assert again.metadata == event.metadata
    assert (again.replay_of, again.reason) == ("first", "Replay of 'first'.")


@pytest.mark.parametrize(
    ("properties", "run_on_startup", "is_monitored"),
    [
        ({}, False, True),
        ({"runOnStartup": True, "useMonitor": False}, True, False),
        ({"runOnStartup": "True", "useMonitor": "false"}, True, False),
        ({"runOnStartup": None, "useMonitor": None}, False, True),
        ({"schedule": "* * * * * *"}, False, False),
    ],
)
def test_properties_have_their_documented_defaults(
    properties: dict[str, object], run_on_startup: bool, is_monitored: bool
) -> None:
    bound = trigger(**{"schedule": HOURLY, **properties})

    assert (bound.run_on_startup, bound.is_monitored) == (run_on_startup, is_monitored)


HOURLY = "0 0 * * * *"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"runOnStartup": "often"}, "binding 'timer': runOnStartup: .* not 'often'"),
        ({"useMonitor": 1}, "binding 'timer': useMonitor: .* not '1'"),
        ({"schedule": "0 0 24 * * *"}, "hour 24 is not in 0-23"),
    ],
)
def test_a_wrong_property_is_named(properties: dict[str, object], message: str) -> None:
    with pytest.raises(TriggerfishError, match=message):
        trigger(**{"schedule": HOURLY, **properties})


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("status", [STATUS, ScheduleStatus(None, None, None)])
def test_a_stored_status_reads_as_it_was(status: ScheduleStatus, zone: str) -> None:
    document = status.document(ZoneInfo(zone))

    assert ScheduleStatus.parse(document, UTC) == status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T10:00:00.1234567+01:00", datetime(2024, 1, 1, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2024-01-01T10:00:00Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01T10:00:00", datetime(2024, 1, 1, 15, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00-08:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59.9999999", None),
        (None, None),
    ],
)
def test_times_of_other_hosts_are_understood(text: str | None, expected: datetime | None) -> None:
    status = ScheduleStatus.parse({"Next": text}, ZoneInfo("America/New_York"))

    assert status == ScheduleStatus(None, expected, None)
