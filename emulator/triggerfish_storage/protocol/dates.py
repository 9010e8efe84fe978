"""Dates as HTTP and the services write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from triggerfish_storage.clock import EPOCH

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def http_date(instant: datetime) -> str:
    """Return ``instant`` as RFC 1123 writes it, to the second."""
    since = instant - EPOCH
    return _http_date(since.days * 86_400 + since.seconds)


def iso_date(instant: datetime) -> str:
    """Return ``instant`` in ISO 8601 with the services' seven digits of a second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def parse_http_date(text: str) -> datetime:
    """Return the instant of a date in any of HTTP's three forms, in UTC; else ValueError.

    The one of C's ``asctime`` names no zone.
    """
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (TypeError, IndexError) as error:
        raise ValueError("no date of HTTP") from error


def parse_iso_date(text: str) -> datetime:
    """Return the instant of an ISO 8601 date, in UTC where it names no zone; else ValueError."""
    return _in_utc(datetime.fromisoformat(text.strip()))


def _in_utc(found: datetime) -> datetime:
    """Return what a text says in UTC, where the calendar may end sooner than in its zone."""
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("no year of the calendar, in UTC") from error


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    at = EPOCH + timedelta(seconds=seconds)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at:%H:%M:%S} GMT"
