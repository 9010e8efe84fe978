"""Dates as clients write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.protocol.dates import (
    http_date,
    iso_date,
    parse_http_date,
    parse_iso_date,
)


@given(st.datetimes(min_value=datetime(1600, 1, 1), timezones=st.just(UTC)))
def test_dates_read_back(at: datetime) -> None:
    whole = at.replace(microsecond=0)

    assert http_date(at) == format_datetime(whole, usegmt=True)
    assert parsedate_to_datetime(http_date(at)) == whole
    assert parse_iso_date(iso_date(at)) == at


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_an_instant_beyond_the_calendar_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_iso_date(text)


def test_an_instant_beyond_the_calendar_is_no_date_of_http() -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_http_date("Fri, 31 Dec 9999 23:59:59 -0800")


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_a_date_has_any_of_the_forms_of_http(text: str) -> None:
    assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
