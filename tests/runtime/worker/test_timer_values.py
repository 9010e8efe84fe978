"""What a timer is given, by spec timer-trigger.md, 9."""

from __future__ import annotations

import json

from triggerfish.worker.converters import Binding

TIME = "2024-01-02T03:04:05+00:00"
TIMER = json.dumps(
    {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": {"Last": TIME}, "IsPastDue": True}
)


def test_a_timer_shows_its_schedule(given):
    timer = given(Binding("p", "timerTrigger", "in"), ("json", TIMER))

    assert timer.past_due is True
    assert timer.schedule_status == {"Last": TIME}
    assert timer.schedule == {"AdjustForDST": True}


def test_a_timer_may_be_asked_for_as_text(given):
    assert given(Binding("p", "timerTrigger", "in"), ("json", TIMER), None, str) == TIMER
