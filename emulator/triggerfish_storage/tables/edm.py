"""The data types of entity properties: how JSON writes them, and what they compare as.

Pure. A value is kept in the form in which it goes over the wire, so that reading an entity
costs no conversion; ``comparable`` gives what a filter needs.

Types: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import errors

EdmType = Literal[
    "Edm.Binary",
    "Edm.Boolean",
    "Edm.DateTime",
    "Edm.Double",
    "Edm.Guid",
    "Edm.Int32",
    "Edm.Int64",
    "Edm.String",
]
Scalar = str | int | float | bool
Family = Literal["binary", "bool", "datetime", "guid", "number", "string"]
Comparable = tuple[Family, str | int | float | bytes]

TEXT_LIMIT: Final = 32 * 1024  # UTF-16 code units
BINARY_LIMIT_BYTES: Final = 64 * 1024
TICKS_AT_1970: Final = 621_355_968_000_000_000  # of 100 ns since the year 1
EARLIEST_TICKS: Final = 504_911_232_000_000_000  # 1601-01-01
_TICKS_IN_SECOND: Final = 10_000_000
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)
_WHOLE: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:(T\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7})\d*)?)?(Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


@dataclass(slots=True)
class Property:
    """A typed value, as JSON writes it."""

    type: EdmType
    value: Scalar


def infer(value: object) -> Property:
    """Return a JSON value that says nothing of its type as a property.

    A number is a double where 32 bits do not hold it, such as JavaScript's milliseconds.
    """
    if isinstance(value, str):
        return text_property(value)
    if isinstance(value, bool):
        return Property("Edm.Boolean", value)
    if isinstance(value, int) and value in _INT32:
        return Property("Edm.Int32", value)
    if isinstance(value, int | float):
        return _double(value)
    raise StorageError(errors.INVALID_VALUE_TYPE)


def convert(type_name: str, value: object) -> Property:
    """Return a JSON value as a property of the type that its annotation names."""
    match type_name:
        case "Edm.String" if isinstance(value, str):
            return text_property(value)
        case "Edm.Boolean":
            return _boolean(value)
        case "Edm.Int32":
            return Property("Edm.Int32", _integer(value, _INT32))
        case "Edm.Int64":
            return Property("Edm.Int64", str(_integer(value, _INT64)))
        case "Edm.Double":
            return _double(value)
        case "Edm.DateTime" if isinstance(value, str):
            return Property("Edm.DateTime", date_time_text(parse_date_time(value)))
        case "Edm.Guid" if isinstance(value, str):
            return Property("Edm.Guid", parse_guid(value))
        case "Edm.Binary" if isinstance(value, str):
            return _binary(value)
    raise StorageError(errors.INVALID_VALUE_TYPE)


def text_property(value: str) -> Property:
    """Return a string property; raises where it is too long."""
    if len(value) > TEXT_LIMIT // 2 and utf16_units(value) > TEXT_LIMIT:
        raise StorageError(errors.PROPERTY_VALUE_TOO_LARGE)
    return Property("Edm.String", value)


def comparable(prop: Property) -> Comparable:
    """Return what a property compares as; only those of one family compare at all."""
    value = prop.value
    match prop.type:
        case "Edm.Int32":
            return "number", int(value)
        case "Edm.Int64":
            return "number", int(value)
        case "Edm.Double":
            return "number", _SPECIAL[value] if isinstance(value, str) else float(value)
        case "Edm.Boolean":
            return "bool", int(value)
        case "Edm.DateTime":
            return "datetime", parse_date_time(str(value))
        case "Edm.Guid":
            return "guid", str(value)
        case "Edm.Binary":
            return "binary", base64.b64decode(str(value))
    return "string", str(value)


def size_bytes(prop: Property) -> int:
    """Return how much of an entity's megabyte a property's value takes, as documented."""
    value = prop.value
    match prop.type:
        case "Edm.String":
            return 4 + 2 * utf16_units(str(value))
        case "Edm.Binary":
            return 4 + len(str(value)) * 3 // 4
        case "Edm.Guid":
            return 16
        case "Edm.Boolean":
            return 1
        case "Edm.Int32":
            return 4
    return 8


def utf16_units(text: str) -> int:
    """Return the length of a text as the service counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


# --- dates and identifiers --------------------------------------------------------------------


def parse_date_time(text: str) -> int:
    """Return an ISO 8601 instant in ticks, a day's first where there is no time.

    Raises where it is none, or before 1601.
    """
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        raise StorageError(errors.INVALID_VALUE_TYPE)
    day, time, fraction, zone = found.groups(default="")
    try:
        # A zone that leads out of the years 1 to 9999 cannot be computed with.
        at = datetime.fromisoformat(day + (time or "T00:00") + (zone or "Z")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise StorageError(errors.INVALID_VALUE_TYPE) from None
    seconds = int((at - _EPOCH).total_seconds())
    ticks = TICKS_AT_1970 + seconds * _TICKS_IN_SECOND + int(fraction.ljust(7, "0"))
    if ticks < EARLIEST_TICKS:
        raise StorageError(errors.INVALID_VALUE_TYPE)
    return ticks


def date_time_text(ticks: int) -> str:
    """Return ticks as ISO 8601 in UTC, without zeros at the end of the fraction."""
    seconds, fraction = divmod(ticks - TICKS_AT_1970, _TICKS_IN_SECOND)
    at = datetime.fromtimestamp(0, UTC) + seconds * _SECOND
    text = at.strftime(f"{at.year:04}-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:07}".rstrip("0") + "Z" if fraction else f"{text}Z"


def parse_guid(text: str) -> str:
    """Return a GUID as the service writes it; raises where it is none."""
    if len(text) == 36:
        try:
            found = str(UUID(text))
        except ValueError:
            found = ""
        if found == text.lower():
            return found
    raise StorageError(errors.INVALID_VALUE_TYPE)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - _EPOCH


# --- single types -----------------------------------------------------------------------------


def _boolean(value: object) -> Property:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        value = value.lower() == "true"
    if not isinstance(value, bool):
        raise StorageError(errors.INVALID_VALUE_TYPE)
    return Property("Edm.Boolean", value)


def _integer(value: object, bounds: range) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in bounds:
        raise StorageError(errors.INVALID_VALUE_TYPE)
    return value


def _double(value: object) -> Property:
    if isinstance(value, str):
        if value in _SPECIAL:
            return Property("Edm.Double", value)
        if not _NUMBER.fullmatch(value):  # Python would take more, such as 1_000
            raise StorageError(errors.INVALID_VALUE_TYPE)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise StorageError(errors.INVALID_VALUE_TYPE)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise StorageError(errors.INVALID_VALUE_TYPE)
    return Property("Edm.Double", number)


def _binary(value: str) -> Property:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise StorageError(errors.INVALID_VALUE_TYPE) from None
    if len(data) > BINARY_LIMIT_BYTES:
        raise StorageError(errors.PROPERTY_VALUE_TOO_LARGE)
    return Property("Edm.Binary", base64.b64encode(data).decode("ascii"))
