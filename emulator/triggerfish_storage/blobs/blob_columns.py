"""The columns of ``blob``: what they are called, and how a blob's values lie in them.

Pure: every column is named here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from triggerfish_storage.blobs.columns import (
    copy_of,
    copy_text,
    encryption_of,
    json_text,
    lease_of,
    lease_values,
    mapping_of,
    maybe_instant,
    maybe_micros,
    rehydration_of,
    rehydration_text,
    tuple_text,
)
from triggerfish_storage.blobs.model import Blob, ContentHeaders
from triggerfish_storage.clock import instant, micros

_NAMES: Final = (
    "id",
    "container_id",
    "name",
    "snapshot",
    "type",
    "etag",
    "created",
    "modified",
    "length",
    "content_type",
    "content_encoding",
    "content_language",
    "content_disposition",
    "cache_control",
    "content_md5",
    "metadata",
    "tags",
    "tier",
    "tier_changed",
    "lease_id",
    "lease_seconds",
    "lease_until",
    "lease_breaking",
    "sequence_number",
    "block_count",
    "sealed",
    "copy",
    "immutable_until",
    "immutability_mode",
    "legal_hold",
    "deleted",
    "expires",
    "encryption",
    "rehydration",
)
# Few blobs have anything of the rest, and each value costs a fifth of finding the row: those that
# have nothing are written by a statement that says so itself (``SAID``), and read as one NULL
# instead of an array in JSON.
_USUAL: Final = 18
_USUAL_REST: Final = (
    *(None, None, None, None, None, 0, 0, 0),
    *(None, None, "", 0, None, None, None, None),
)
_NOTHING_MORE: Final = tuple(Blob._field_defaults[name] for name in Blob._fields[14:])
_LITERALS: Final = {None: "NULL", 0: "0", "": "''"}
GIVEN: Final = ("?",) * len(_USUAL_REST)
SAID: Final = tuple(_LITERALS[value] for value in _USUAL_REST)
_REST_COLUMNS: Final = tuple(f"blob.{name}" for name in _NAMES[_USUAL:])
_IS_USUAL: Final = " AND ".join(
    f"{name} IS {value}" for name, value in zip(_REST_COLUMNS, SAID, strict=True)
)
BLOB_COLUMNS: Final = f"""{", ".join(f"blob.{name}" for name in _NAMES[:_USUAL])},
    CASE WHEN {_IS_USUAL} THEN NULL ELSE json_array({", ".join(_REST_COLUMNS)}) END"""


def inserting(rest: Sequence[str]) -> str:
    """Return a statement that adds a blob: bytes and usual values first, then the ``rest``."""
    columns = ", ".join(("data", *_NAMES[1:]))
    values = ", ".join((*("?",) * _USUAL, *rest))
    return f"INSERT INTO blob ({columns}) VALUES ({values})"  # noqa: S608 - names of columns


def updating(rest: Sequence[str], *others: str) -> str:
    """Return a statement that writes a blob anew, with ``others`` of its columns before."""
    usual = [f"{name} = ?" for name in (*others, *_NAMES[3:_USUAL])]
    rare = zip(_NAMES[_USUAL:], rest, strict=True)
    settings = ", ".join((*usual, *(f"{name} = {value}" for name, value in rare)))
    return f"UPDATE blob SET {settings} WHERE id = ?"  # noqa: S608 - columns


def is_usual(blob: Blob) -> bool:
    """Whether a blob has nothing of the rest."""
    return blob[14:] == _NOTHING_MORE


def blob_of(row: tuple[Any, ...]) -> Blob:
    """Return the blob that a row of the blob columns describes."""
    created = instant(row[6])
    blob = Blob._make(
        (
            *row[:6],
            created,
            instant(row[7]) if row[7] != row[6] else created,
            row[8],
            ContentHeaders._make(row[9:14]),
            row[14] or b"",
            mapping_of(row[15]),
            mapping_of(row[16]),
            row[17],
            *_NOTHING_MORE,
        )
    )
    rest: str | None = row[_USUAL]
    return blob if rest is None else _with_rest(blob, *json.loads(rest))


def _with_rest(
    blob: Blob,
    tier_changed: int | None,
    lease_id: str | None,
    lease_seconds: int,
    lease_until: int | None,
    lease_breaking: int,
    sequence_number: int,
    block_count: int,
    sealed: int,
    copy: str | None,
    immutable_until: int | None,
    immutability_mode: str,
    legal_hold: int,
    deleted: int | None,
    expires: int | None,
    encryption: str | None,
    rehydration: str | None,
) -> Blob:
    return blob._replace(
        tier_changed=maybe_instant(tier_changed),
        lease=lease_of(lease_id, lease_seconds, lease_until, lease_breaking),
        sequence_number=sequence_number,
        block_count=block_count,
        is_sealed=sealed == 1,
        copy=copy_of(copy),
        immutable_until=maybe_instant(immutable_until),
        immutability_mode=immutability_mode,
        legal_hold=legal_hold == 1,
        deleted=maybe_instant(deleted),
        expires=maybe_instant(expires),
        encryption=encryption_of(encryption),
        rehydration=rehydration_of(rehydration),
    )


def usual_values(blob: Blob) -> tuple[object, ...]:
    """Return what lies in the columns from ``container_id`` to ``tier``."""
    return (
        *blob[1:6],
        micros(blob.created),
        micros(blob.modified),
        blob.length,
        *blob.headers,
        blob.md5 or None,
        json_text(blob.metadata),
        json_text(blob.tags),
        blob.tier,
    )


def rest_values(blob: Blob) -> tuple[object, ...]:
    """Return what lies in the columns behind those."""
    return (
        maybe_micros(blob.tier_changed),
        *lease_values(blob.lease).values(),
        blob.sequence_number,
        blob.block_count,
        int(blob.is_sealed),
        copy_text(blob.copy),
        maybe_micros(blob.immutable_until),
        blob.immutability_mode,
        int(blob.legal_hold),
        maybe_micros(blob.deleted),
        maybe_micros(blob.expires),
        tuple_text(blob.encryption),
        rehydration_text(blob.rehydration),
    )
