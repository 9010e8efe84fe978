"""Lengths of time as .NET writes them: ``hh:mm:ss``, ``d.hh:mm:ss``, or a number of days.

Pure. Behaviour: spec timer-trigger.md, section 3.
https://learn.microsoft.com/dotnet/api/system.timespan.parse
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_MOST_DAYS: Final = 10_675_199  # what 64 bits of 100 ns hold
_SECONDS: Final = r"(?: : (?P<seconds>[0-9]+) (?: \. (?P<fraction>[0-9]+) )? )?"
_FORMS: Final = tuple(
    re.compile(form, re.VERBOSE)
    for form in (
        r"(?P<days>[0-9]+)",
        rf"(?: (?P<days>[0-9]+) \. )? (?P<hours>[0-9]+) : (?P<minutes>[0-9]+) {_SECONDS}",
        rf"(?P<days>[0-9]+) : (?P<hours>[0-9]+) : (?P<minutes>[0-9]+) {_SECONDS}",
    )
)


def parse_timespan(text: str) -> timedelta:
    """Return the length that ``text`` stands for, invariant culture. Raises ``ValueError``.

    ``5`` is five days and ``24:00:00`` twenty-four days, as .NET reads them. Beyond
    microseconds the fraction is rounded.
    """
    unsigned = text.strip()
    negative = unsigned.startswith("-")
    for form in _FORMS:
        match = form.fullmatch(unsigned[negative:])
        length = None if match is None else _length(match)
        if length is not None:
            return -length if negative else length
    raise ValueError(f"'{text}' is no timespan; write hh:mm:ss, or d.hh:mm:ss with days")


def timespan_text(length: timedelta) -> str:
    """Return ``length`` as .NET reads it: ``[-][d.]hh:mm:ss[.ffffff]``."""
    sign, length = ("-", -length) if length < timedelta() else ("", length)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{length.days}." if length.days else ""
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def _length(match: re.Match[str]) -> timedelta | None:
    """Return the length of a text in one of the forms, None where a part is out of range."""
    given = match.groupdict()
    days, hours, minutes, seconds = (
        int(given.get(part) or 0) for part in ("days", "hours", "minutes", "seconds")
    )
    if days > _MOST_DAYS or hours > 23 or minutes > 59 or seconds > 59:
        return None
    fraction = float(f"0.{given.get('fraction') or 0}")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds + fraction)
