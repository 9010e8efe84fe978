"""Find Blobs by Tags, in one container or all of an account.

One comparison, an equality if there is one, walks the index; the others are checked on what
it finds. A page costs by what that comparison matches, not by how many blobs there are.

Protocol: https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from triggerfish_storage.blobs.container_rows import container_id
from triggerfish_storage.blobs.model import Address
from triggerfish_storage.blobs.tag_filter import CONTAINER, Comparison

CONTAINERS: Final = """
    SELECT id, name FROM container WHERE account = :account AND name >= :name ORDER BY name"""
FIND: Final = """
    SELECT blob_tag.value, blob_tag.blob_id, blob.name, blob.tags
    FROM blob_tag JOIN blob ON blob.id = blob_tag.blob_id
    WHERE blob_tag.container_id = :container AND blob_tag.key = :key
        AND blob_tag.value >= :low AND blob_tag.value <= :high
        AND (blob_tag.value, blob_tag.blob_id) >= (:value, :blob)
    ORDER BY blob_tag.value, blob_tag.blob_id"""
_GREATEST: Final = "\U0010ffff" * 257  # longer than any value may be


class TagPosition(NamedTuple):
    """Where a page begins: in a container, at a value of the walked tag, at a blob."""

    container: str = ""
    value: str = ""
    blob_id: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A blob whose tags match."""

    container: str
    name: str
    tags: Mapping[str, str]


def find_blobs(
    tx: sqlite3.Connection,
    account: str,
    comparisons: Sequence[Comparison],
    *,
    container: str = "",
    start: TagPosition,
    limit: int,
) -> tuple[Sequence[Found], TagPosition | None]:
    """Return a page of what all ``comparisons`` match, and where the next one begins."""
    wanted = {c.value for c in comparisons if c.key == CONTAINER} | ({container} - {""})
    tags = [c for c in comparisons if c.key != CONTAINER]
    found: list[Found] = []
    if len(wanted) > 1 or not tags:
        return found, None
    for id_, name in _containers(tx, account, wanted, start):
        position = start if name == start.container else TagPosition(name)
        for value, blob_id, blob, text in _walk(tx, id_, tags, position):
            actual = json.loads(text)
            if not all(comparison.matches(actual) for comparison in tags):
                continue
            if len(found) == limit:
                return found, TagPosition(name, value, blob_id)
            found.append(Found(name, blob, actual))
    return found, None


def _containers(
    tx: sqlite3.Connection, account: str, wanted: set[str], start: TagPosition
) -> list[tuple[int, str]]:
    if not wanted:
        return tx.execute(CONTAINERS, {"account": account, "name": start.container}).fetchall()
    (name,) = wanted
    return [(container_id(tx, Address(account, name)), name)]


def _walk(
    tx: sqlite3.Connection, id_: int, tags: Sequence[Comparison], position: TagPosition
) -> sqlite3.Cursor:
    driver = next((c for c in tags if c.operator == "="), tags[0])
    same = [c for c in tags if c.key == driver.key]
    lows = [c.value for c in same if c.operator in ("=", ">", ">=")]
    highs = [c.value for c in same if c.operator in ("=", "<", "<=")]
    values = {
        "container": id_,
        "key": driver.key,
        "low": max(lows, default=""),
        "high": min(highs, default=_GREATEST),
        "value": position.value,
        "blob": position.blob_id,
    }
    return tx.execute(FIND, values)
