"""Constraints of route parameters: ``{id:int:min(1)}`` decides whether a route matches.

Pure; values stay texts. Behaviour: spec http-trigger.md, 2.2.
https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

Constraint = Callable[[str], bool]

_INTEGER: Final = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_DECIMAL: Final = re.compile(r"\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)\s*", re.ASCII)
_DOUBLE: Final = re.compile(
    r"\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*|[+-]?infinity|nan",
    re.ASCII | re.IGNORECASE,
)
_DASHED_GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_GUID: Final = re.compile(
    rf"[0-9a-f]{{32}}|{_DASHED_GUID}|\{{{_DASHED_GUID}\}}|\({_DASHED_GUID}\)", re.IGNORECASE
)
_ALPHA: Final = re.compile(r"[a-z]*", re.IGNORECASE | re.ASCII)
_DATES: Final = ("%m/%d/%Y", "%Y/%m/%d", "%Y-%m-%d", "%m-%d-%Y", "%d %b %Y", "%d %B %Y",
                 "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y")  # fmt: skip
_TIMES: Final = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S GMT")
_DATE_FORMATS: Final = (
    *_DATES,
    *_TIMES,
    *(f"{date} {time}" for date in _DATES for time in _TIMES),
)
_LARGEST_INT: Final = 2**31 - 1
_LARGEST_LONG: Final = 2**63 - 1


def constraint(name: str, argument: str | None) -> Constraint:
    """Return the constraint ``name`` or ``name(argument)``. Raises ``ValueError``."""
    key = name.lower()
    if argument is None:
        if key in _PLAIN:
            return _PLAIN[key]
        if key in _WITH_ARGUMENT:
            raise ValueError(f"the route constraint '{name}' needs an argument in parentheses")
    elif key in _WITH_ARGUMENT:
        return _WITH_ARGUMENT[key](argument)
    elif key in _PLAIN:
        raise ValueError(f"the route constraint '{name}' takes no argument")
    known = ", ".join(sorted({*_PLAIN, *_WITH_ARGUMENT}))
    raise ValueError(f"the route constraint '{name}' is unknown; there are {known}")


def _fits(text: str, largest: int) -> bool:
    number = _integer(text)
    return number is not None and -largest - 1 <= number <= largest


def _integer(text: str) -> int | None:
    # Longer ones fit no type, and Python refuses to convert very long ones.
    return int(text) if _INTEGER.fullmatch(text) and len(text) < 40 else None


def _reader(date_format: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, date_format)  # noqa: DTZ007 - only asked whether


_DATE_READERS: Final = (datetime.fromisoformat, *map(_reader, _DATE_FORMATS))


def _is_date(text: str) -> bool:
    for parse in _DATE_READERS:
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False


def _is_file_name(text: str) -> bool:
    name = text.rpartition("/")[2]
    return "." in name[:-1] or (len(name) > 1 and name.startswith("."))


def _length(argument: str) -> Constraint:
    low, high = _bounds("length", argument, both=False)
    return lambda text: low <= len(text) <= high


def _minlength(argument: str) -> Constraint:
    low = _bound("minlength", argument)
    return lambda text: len(text) >= low


def _maxlength(argument: str) -> Constraint:
    high = _bound("maxlength", argument)
    return lambda text: len(text) <= high


def _min(argument: str) -> Constraint:
    low = _bound("min", argument)
    return lambda text: _fits(text, _LARGEST_LONG) and int(text) >= low


def _max(argument: str) -> Constraint:
    high = _bound("max", argument)
    return lambda text: _fits(text, _LARGEST_LONG) and int(text) <= high


def _range(argument: str) -> Constraint:
    low, high = _bounds("range", argument, both=True)
    return lambda text: _fits(text, _LARGEST_LONG) and low <= int(text) <= high


def _regex(argument: str) -> Constraint:
    try:
        # Named groups are written differently in .NET.
        pattern = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", argument), re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"the route constraint 'regex({argument})' is invalid: {error}") from error
    return lambda text: pattern.search(text) is not None


def _bound(name: str, argument: str) -> int:
    number = _integer(argument)
    if number is None:
        raise ValueError(f"the route constraint '{name}({argument})' needs a whole number")
    return number


def _bounds(name: str, argument: str, *, both: bool) -> tuple[int, int]:
    first, comma, second = argument.partition(",")
    if both and not comma:
        raise ValueError(f"the route constraint '{name}({argument})' needs two whole numbers")
    low = _bound(name, first)
    high = _bound(name, second) if comma else low
    if low > high:
        raise ValueError(f"the route constraint '{name}({argument})' has its bounds reversed")
    return low, high


_PLAIN: Final[dict[str, Constraint]] = {
    "int": lambda text: _fits(text, _LARGEST_INT),
    "long": lambda text: _fits(text, _LARGEST_LONG),
    "bool": lambda text: text.strip().lower() in ("true", "false"),
    "datetime": _is_date,
    "decimal": lambda text: _DECIMAL.fullmatch(text) is not None,
    "double": lambda text: _DOUBLE.fullmatch(text) is not None,
    "float": lambda text: _DOUBLE.fullmatch(text) is not None,
    "guid": lambda text: _GUID.fullmatch(text) is not None,
    "alpha": lambda text: _ALPHA.fullmatch(text) is not None,
    "required": bool,
    "file": _is_file_name,
    "nonfile": lambda text: not _is_file_name(text),
}
_WITH_ARGUMENT: Final[dict[str, Callable[[str], Constraint]]] = {
    "length": _length,
    "minlength": _minlength,
    "maxlength": _maxlength,
    "min": _min,
    "max": _max,
    "range": _range,
    "regex": _regex,
}
