"""Which names containers and blobs may have, and how snapshots and markers are written.

Pure. Names are any legal Unicode; control characters are refused, as is what no URL can carry.

Names: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from triggerfish_storage import errors
from triggerfish_storage.blobs.listing import Position
from triggerfish_storage.blobs.model import CURRENT
from triggerfish_storage.blobs.tag_search import TagPosition
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.dates import iso_date

T = TypeVar("T")

NAME_LIMIT: Final = 1024
SEGMENTS_LIMIT: Final = 254
_CONTAINER: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|\$root|\$web|\$logs|\$blobchangefeed")
_FORBIDDEN: Final = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_SNAPSHOT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", re.ASCII)


def check_container_name(name: str) -> None:
    """Raise where no container may be called so."""
    if not _CONTAINER.fullmatch(name):
        raise StorageError(errors.INVALID_RESOURCE_NAME)
    if not 3 <= len(name) <= 63:
        raise StorageError(errors.RESOURCE_NAME_LENGTH)


def check_blob_name(name: str) -> None:
    """Raise where no blob may be called so."""
    if _FORBIDDEN.search(name):
        raise StorageError(errors.INVALID_RESOURCE_NAME)
    if not 1 <= len(name) <= NAME_LIMIT or name.count("/") >= SEGMENTS_LIMIT:
        raise StorageError(errors.OUT_OF_RANGE_INPUT)


def snapshot_text(snapshot: int) -> str:
    """Return a snapshot's instant as clients pass it back: seven decimals, UTC."""
    return iso_date(instant(snapshot))


def parse_snapshot(text: str) -> int | None:
    """Return the microseconds that a snapshot's text names; None where it is no such text."""
    found = _SNAPSHOT.fullmatch(text)
    if found is None:
        return None
    try:
        second = datetime.fromisoformat(f"{found[1]}+00:00")
    except ValueError:
        return None
    return micros(second) + int((found[2] or "0").ljust(7, "0")[:6])


def marker_text(position: Position | None) -> str:
    """Return the marker of the page that begins at ``position``; empty without one."""
    return "" if position is None else _marker(position.name, position.snapshot)


def parse_marker(text: str) -> Position:
    """Return where the page of a marker begins; raises where it is none of ours."""
    return _parse_marker(
        text, lambda name, snapshot: Position(_text(name), _number(snapshot)), Position()
    )


def tag_marker_text(position: TagPosition | None) -> str:
    """Return the marker of a page of a search by tags; empty without one."""
    return "" if position is None else _marker(*position)


def parse_tag_marker(text: str) -> TagPosition:
    """Undo ``tag_marker_text``; raises where it is none of ours."""
    return _parse_marker(
        text,
        lambda container, value, blob: TagPosition(_number(container), _text(value), _number(blob)),
        TagPosition(),
    )


def _marker(*fields: str | int) -> str:
    return urlsafe_b64encode(json.dumps(fields).encode()).decode()


def _text(field: object) -> str:
    if not isinstance(field, str):
        raise TypeError
    field.encode()  # JSON lets half a surrogate pair through
    return field


def _number(field: object) -> int:
    if not isinstance(field, int):
        raise TypeError
    if not 0 <= field <= CURRENT:
        raise ValueError
    return field


def _parse_marker(text: str, build: Callable[..., T], start: T) -> T:
    if not text:
        return start
    try:
        return build(*json.loads(urlsafe_b64decode(text)))
    except (ValueError, TypeError, RecursionError):
        raise StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName="marker",
            QueryParameterValue=text,
            Reason="This is not a marker that the service returned.",
        ) from None
