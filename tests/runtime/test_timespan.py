"""Timespans as .NET reads them (timer-trigger.md, section 3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.timespan import parse_timespan, timespan_text

VALID = [
    ("00:00:15", timedelta(seconds=15)),
    ("00:05", timedelta(minutes=5)),
    ("01:00:00", timedelta(hours=1)),
    ("23:59:59", timedelta(hours=23, minutes=59, seconds=59)),
    ("1.00:00", timedelta(days=1)),
    ("1.00:00:00", timedelta(days=1)),
    ("24:00:00", timedelta(days=24)),
    ("25:00:00", timedelta(days=25)),
    ("25:01:30", timedelta(days=25, hours=1, minutes=30)),
    ("1:02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ("1:02:03:04.5", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ("1.02:03:04.5", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ("5", timedelta(days=5)),
    ("0", timedelta()),
    ("00:00:00.5", timedelta(milliseconds=500)),
    ("00:00:00.0000001", timedelta()),
    ("1:2:3", timedelta(hours=1, minutes=2, seconds=3)),
    (" 00:00:15\t", timedelta(seconds=15)),
    ("-00:00:15", timedelta(seconds=-15)),
    ("-00:00:00.0010000", timedelta(milliseconds=-1)),
    ("10675199.02:48:05", timedelta(days=10675199, hours=2, minutes=48, seconds=5)),
]
INVALID = [
    "",
    " ",
    "24:00",
    "00:60:00",
    "00:00:61",
    "23:60:00",
    "24:00:00.5",
    "25:24:00",
    "24.24:00",
    "abc",
    "1d",
    "PT5M",
    "1.5",
    "1.",
    "1:",
    ":1",
    "1:2:3:4:5",
    "1.2:3:4:5",
    "+00:00:15",
    "- 00:00:15",
    "--1",
    "00:00: 15",
    "00:00:15.",
    "00.5",
    "10675200",
    "99999999999999999999",
    "٠٠:٠٥",
]


@pytest.mark.parametrize(("text", "length"), VALID)
def test_a_timespan_has_the_length_that_dotnet_reads(text: str, length: timedelta) -> None:
    assert parse_timespan(text) == length


@pytest.mark.parametrize("text", INVALID)
def test_a_text_that_dotnet_refuses_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no timespan; write hh:mm:ss") as raised:
        parse_timespan(text)

    assert f"'{text}'" in str(raised.value)


@given(st.timedeltas(timedelta(days=-10675198), timedelta(days=10675198)))
def test_a_written_timespan_reads_as_itself(length: timedelta) -> None:
    assert parse_timespan(timespan_text(length)) == length


def test_a_timespan_is_written_without_what_is_zero_at_its_ends() -> None:
    assert timespan_text(timedelta(seconds=15)) == "00:00:15"
    assert timespan_text(timedelta(days=1)) == "1.00:00:00"
    assert timespan_text(timedelta(milliseconds=500)) == "00:00:00.5"
    assert timespan_text(-timedelta(minutes=1)) == "-00:01:00"
