"""Dates, GUIDs, numbers and other scalars as .NET writes them, invariant culture.

Binding expressions take .NET format texts (``{DateTime:yyyy-MM-dd}``). Pure; a format that
.NET refuses raises ``ValueError``. Behaviour: spec binding-expressions.md, sections 4.2 and 5.
https://learn.microsoft.com/dotnet/standard/base-types/custom-date-and-time-format-strings
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

DEFAULT_DATE_FORMAT: Final = "yyyy-MM-ddTHH-mm-ssK"

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_STANDARD: Final = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "M": "MMMM dd",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "U": "dddd, dd MMMM yyyy HH:mm:ss",
    "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
}
_FRACTION_DIGITS: Final = 7


def format_date(instant: datetime, format_text: str, *, hundred_nanoseconds: int = 0) -> str:
    """Return a UTC ``instant`` in a .NET format; the default format where that is blank.

    ``hundred_nanoseconds`` is the seventh digit of the fraction, which ``datetime`` lacks.
    """
    if not format_text.strip():
        format_text = DEFAULT_DATE_FORMAT
    elif len(format_text) == 1:
        if format_text not in _STANDARD:
            raise ValueError(f"'{format_text}' is no standard date format")
        format_text = _STANDARD[format_text]
    fraction = f"{instant.microsecond:06}{hundred_nanoseconds}"
    return _custom_date(instant, fraction, format_text)


def _custom_date(instant: datetime, fraction: str, format_text: str) -> str:
    written: list[str] = []
    for letter, length, literal in _tokens(format_text):
        if not letter:
            written.append(literal)
        elif letter == "f":
            written.append(fraction[:length])
        elif letter == "F":
            digits = fraction[:length].rstrip("0")
            if not digits and written and written[-1].endswith("."):
                written[-1] = written[-1][:-1]
            written.append(digits)
        else:
            written.append(_PARTS[letter](instant, length))
    return "".join(written)


class _Token(NamedTuple):
    """A letter of the format that stands ``length`` times, or a literal."""

    letter: str
    length: int
    literal: str


_TOKEN: Final = re.compile(
    r"""(?P<run>([yMdHhmstgzfF])\2*|K) | %(?P<single>[yMdHhmstgzfFK])
    | '(?P<quoted>(?:[^'\\]|\\.)*)' | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.) | (?P<literal>[^'"\\%]) | %(?P<percent>[^%])""",
    re.DOTALL | re.VERBOSE,
)


@lru_cache(maxsize=512)
def _tokens(format_text: str) -> tuple[_Token, ...]:
    tokens = []
    at = 0
    while at < len(format_text):
        match = _TOKEN.match(format_text, at)
        if match is None:
            raise ValueError(
                f"the date format '{format_text}' ends early, or a quote is not closed"
            )
        kind, text = match.lastgroup, match[match.lastgroup or 0]
        if kind in ("run", "single"):
            tokens.append(_Token(text[0], len(text), ""))
        else:
            quoted = kind in ("quoted", "double")
            tokens.append(_Token("", 0, _ESCAPE.sub(r"\1", text) if quoted else text))
        at = match.end()
    if any(token.length > _FRACTION_DIGITS and token.letter in "fF" for token in tokens):
        raise ValueError(f"a date format has at most {_FRACTION_DIGITS} f in a row")
    return tuple(tokens)


_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def _year(instant: datetime, length: int) -> str:
    return f"{instant.year % 100:0{length}}" if length <= 2 else f"{instant.year:0{length}}"


def _month(instant: datetime, length: int) -> str:
    if length <= 2:
        return f"{instant.month:0{length}}"
    name = _MONTHS[instant.month - 1]
    return name[:3] if length == 3 else name


def _day(instant: datetime, length: int) -> str:
    if length <= 2:
        return f"{instant.day:0{length}}"
    name = _DAYS[instant.weekday()]
    return name[:3] if length == 3 else name


def _two_digits(number: int, length: int) -> str:
    return f"{number:0{min(length, 2)}}"


def _half(instant: datetime, length: int) -> str:
    return ("AM" if instant.hour < 12 else "PM")[: min(length, 2)]


def _offset(_instant: datetime, length: int) -> str:
    return "+00:00" if length >= 3 else "+00" if length == 2 else "+0"


_PARTS: Final[dict[str, Callable[[datetime, int], str]]] = {
    "y": _year,
    "M": _month,
    "d": _day,
    "H": lambda instant, length: _two_digits(instant.hour, length),
    "h": lambda instant, length: _two_digits((instant.hour + 11) % 12 + 1, length),
    "m": lambda instant, length: _two_digits(instant.minute, length),
    "s": lambda instant, length: _two_digits(instant.second, length),
    "t": _half,
    "g": lambda _instant, _length: "A.D.",
    "K": lambda _instant, _length: "Z",
    "z": _offset,
}


def format_guid(guid: UUID, format_text: str) -> str:
    """Return ``guid`` in one of the formats D, N, B, P and X; D where that is blank."""
    letter = format_text.upper() if format_text.strip() else "D"
    text = str(guid)
    match letter:
        case "D":
            return text
        case "N":
            return guid.hex
        case "B":
            return f"{{{text}}}"
        case "P":
            return f"({text})"
        case "X":
            rest = ",".join(f"0x{byte:02x}" for byte in guid.bytes[8:])
            first, second, third = text.split("-")[:3]
            return f"{{0x{first},0x{second},0x{third},{{{rest}}}}}"
    raise ValueError(f"'{format_text}' is no GUID format; there are D, N, B, P and X")


def number_text(number: float) -> str:
    """Return the shortest invariant text that reads as ``number`` again: ``1.0`` is ``1``."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    text = repr(number)
    if "e" not in text and abs(number) < 1e15:
        return text.removesuffix(".0")
    shortest = Decimal(text).normalize()
    exponent = shortest.adjusted()
    if -5 < exponent < 15:
        return f"{shortest:f}"
    _, digits, _ = shortest.as_tuple()
    fraction = "".join(map(str, digits[1:]))
    mantissa = f"{'-' if number < 0 else ''}{digits[0]}{'.' if fraction else ''}{fraction}"
    return f"{mantissa}E{'+' if exponent > 0 else '-'}{abs(exponent):02}"


def scalar_text(value: object) -> str:
    """Return the text of a scalar from JSON: ``True``, a number, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    return number_text(value) if isinstance(value, int | float) else str(value)
