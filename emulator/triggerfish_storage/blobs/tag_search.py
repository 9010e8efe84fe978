"""Find Blobs by Tags, in one container or all of an account.

One comparison, of equalities one that few match, walks the index; the others are checked on what
it finds. A page costs by what that comparison matches, not by how many blobs or containers
there are; one that has looked at enough ends early with a marker, as Azure's may.

Protocol: https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from triggerfish_storage.blobs.container_rows import container_id, find_container
from triggerfish_storage.blobs.model import Address
from triggerfish_storage.blobs.tag_filter import CONTAINER, Comparison

LOOKED_AT_LIMIT: Final = 20_000  # blobs and containers, for one page
COUNTED_LIMIT: Final = 1_000  # blobs that match an equality, to choose among several

# Containers without any tag are passed over by the index of tags.
NEXT_CONTAINER: Final = "SELECT min(container_id) FROM blob_tag WHERE container_id >= :container"
NAME: Final = "SELECT name FROM container WHERE id = :container AND account = :account"
FIND: Final = """
    SELECT blob_tag.value, blob_tag.blob_id, blob.name, blob.tags
    FROM blob_tag JOIN blob ON blob.id = blob_tag.blob_id
    WHERE blob_tag.container_id = :container AND blob_tag.key = :key
        AND (blob_tag.value, blob_tag.blob_id) >= (:value, :blob) AND blob_tag.value <= :high
    ORDER BY blob_tag.value, blob_tag.blob_id"""
COUNT: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM blob_tag
        WHERE container_id = :container AND key = :key AND value = :value LIMIT :near)"""
_GREATEST: Final = "\U0010ffff" * 257  # longer than any value may be


class TagPosition(NamedTuple):
    """Where a page begins: in a container, at a value of the walked tag, at a blob."""

    container_id: int = 0
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
    """Return a page of what all ``comparisons`` match, and where the next one begins.

    The ``container`` must be there; in one that only a comparison names nothing is found.
    """
    if container:
        container_id(tx, Address(account, container))
    wanted = {c.value for c in comparisons if c.key == CONTAINER} | ({container} - {""})
    tags = [c for c in comparisons if c.key != CONTAINER]
    found: list[Found] = []
    if len(wanted) > 1 or not tags:
        return found, None
    looked_at = 0
    for id_, name in _containers(tx, account, wanted, start):
        position = start if id_ == start.container_id else TagPosition(id_)
        if looked_at >= LOOKED_AT_LIMIT:
            return found, position
        looked_at += 1
        for value, blob_id, blob, text in _walk(tx, id_, tags, position) if name else ():
            if looked_at >= LOOKED_AT_LIMIT:
                return found, TagPosition(id_, value, blob_id)
            looked_at += 1
            actual = json.loads(text)
            if not all(comparison.matches(actual) for comparison in tags):
                continue
            if len(found) == limit:
                return found, TagPosition(id_, value, blob_id)
            found.append(Found(name, blob, actual))
    return found, None


def _containers(
    tx: sqlite3.Connection, account: str, wanted: set[str], start: TagPosition
) -> Iterator[tuple[int, str]]:
    """Give the ids of containers that may hold a match, and their names; "" is not ours."""
    for name in wanted:
        found = find_container(tx, Address(account, name))
        if found is not None:
            yield found.id, name
    values = {"account": account, "container": start.container_id}
    while not wanted:
        (id_,) = tx.execute(NEXT_CONTAINER, values).fetchone()
        if id_ is None:
            return
        values["container"] = id_
        name = tx.execute(NAME, values).fetchone()
        yield id_, name[0] if name is not None else ""
        values["container"] = id_ + 1


def _walk(
    tx: sqlite3.Connection, id_: int, tags: Sequence[Comparison], position: TagPosition
) -> sqlite3.Cursor:
    driver = _driver(tx, id_, tags)
    same = [c for c in tags if c.key == driver.key]
    lows = [c.value for c in same if c.operator in ("=", ">", ">=")]
    highs = [c.value for c in same if c.operator in ("=", "<", "<=")]
    value, blob_id = position.value, position.blob_id
    if driver.operator == "=":  # a page before may have walked another one
        value = driver.value
    value, blob_id = max((value, blob_id), (max(lows, default=""), 0))
    values = {
        "container": id_,
        "key": driver.key,
        "high": min(highs, default=_GREATEST),
        "value": value,
        "blob": blob_id,
    }
    return tx.execute(FIND, values)


def _driver(tx: sqlite3.Connection, id_: int, tags: Sequence[Comparison]) -> Comparison:
    """Return the comparison to walk by: of equalities one that few blobs match, else the first."""
    equal = [c for c in tags if c.operator == "="]
    if len(equal) < 2:
        return equal[0] if equal else tags[0]
    return min(equal, key=lambda c: _count(tx, id_, c))


def _count(tx: sqlite3.Connection, id_: int, equality: Comparison) -> int:
    values = {"container": id_, "key": equality.key, "value": equality.value}
    found: int = tx.execute(COUNT, {**values, "near": COUNTED_LIMIT}).fetchone()[0]
    return found
