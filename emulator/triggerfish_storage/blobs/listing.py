"""Pages of blobs and containers, in the order of their names' code points.

What a page costs depends on the page, not on the container: it starts by index at the
marker, ends at the prefix, and a delimiter skips over what lies under a common prefix. Where
thousands of names in a row are hidden (deleted softly, or snapshots), a page ends early with
a marker, as Azure's may. Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from triggerfish_storage.blobs.blob_columns import BLOB_COLUMNS, blob_of
from triggerfish_storage.blobs.container_rows import CONTAINER_COLUMNS, container_id, container_of
from triggerfish_storage.blobs.model import Address, Blob, Container
from triggerfish_storage.one_row import json_rows

PAGE_LIMIT: Final = 5000

LOOKED_AT_LIMIT: Final = 20_000  # blobs and snapshots, hidden ones too, for one page

_CURRENT: Final = "blob.snapshot = 9223372036854775807"
# Row values, so that a page can start between two snapshots of one blob. The join keeps the
# order of what is near, which is read from the index alone and no further than asked for.
_NEAR_HERE: Final = """FROM blob
        WHERE container_id = :container AND (name, snapshot) >= (:name, :snapshot)
            AND name < :beyond
        ORDER BY name, snapshot"""
_NEAR: Final = f"(SELECT id {_NEAR_HERE} LIMIT :near) AS near"
BEHIND_NEAR: Final = f"SELECT name, snapshot {_NEAR_HERE} LIMIT 1 OFFSET :near"
# Whether an earlier version is the last that a blob has, which is no more.
_IS_LAST: Final = """NOT EXISTS (
        SELECT 1 FROM blob AS later
        WHERE later.container_id = blob.container_id AND later.name = blob.name
            AND later.snapshot > blob.snapshot AND later.deleted IS NULL
            AND (later.snapshot = later.created OR later.snapshot = 9223372036854775807))"""
PAGE: Final = f"""
    SELECT {BLOB_COLUMNS} FROM {_NEAR} CROSS JOIN blob ON blob.id = near.id
    WHERE ({_CURRENT} OR CASE WHEN blob.snapshot <> blob.created THEN :snapshots
            ELSE :versions OR (:versions_only AND {_IS_LAST}) END)
        AND (:deleted OR blob.deleted IS NULL)"""  # noqa: S608
# As few columns as an ordinary entry shows: each costs as much as finding the row does. Of
# others only the id is given, not 0.
PLAIN_PAGE: Final = json_rows(
    """name, etag, created / 1000000, modified / 1000000, length,
        content_type, hex(content_md5), tier, tier_changed / 1000000,
        nullif(metadata, '{}'), nullif(tags, '{}'),
        CASE WHEN type = 'BlockBlob' AND lease_id IS NULL AND copy IS NULL
            AND content_encoding = '' AND content_language = ''
            AND content_disposition = '' AND cache_control = ''
            AND immutable_until IS NULL
            AND legal_hold = 0 AND encryption IS NULL AND rehydration IS NULL
            THEN 0 ELSE blob.id END""",
    f"""FROM {_NEAR} CROSS JOIN blob ON blob.id = near.id
        WHERE {_CURRENT} AND blob.deleted IS NULL LIMIT :limit""",
)
_BY_ID: Final = f"SELECT {BLOB_COLUMNS} FROM blob WHERE id = :id"  # noqa: S608 - columns
_NEXT_STAGED: Final = """
    SELECT min(name) FROM block
    WHERE container_id = :container AND name >= :name AND name < :beyond"""
_IS_BLOB: Final = """
    SELECT 1 FROM blob WHERE container_id = :container AND name = :name
        AND snapshot = 9223372036854775807 AND deleted IS NULL"""
CONTAINERS: Final = json_rows(
    CONTAINER_COLUMNS,
    """FROM container
    WHERE account = :account AND name >= :name AND name < :beyond
    ORDER BY name LIMIT :limit""",
)
_BEHIND_ALL_TEXT: Final = b""  # bytes sort behind any text


class Position(NamedTuple):
    """Where in a listing a page begins; a snapshot of 0 is before all of a name's."""

    name: str = ""
    snapshot: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client wants listed, up to the name ``end``; without ``delimiter`` it is flat."""

    prefix: str = ""
    end: str = ""
    delimiter: str = ""
    start: Position = field(default_factory=Position)
    limit: int = PAGE_LIMIT
    snapshots: bool = False
    versions: bool = False
    versions_only: bool = False  # blobs that are deleted, and have versions
    deleted: bool = False
    uncommitted: bool = False

    @property
    def beyond(self) -> str | bytes:
        """What sorts behind all that is wanted."""
        behind = _behind(self.prefix)
        if not self.end:
            return behind
        return min(behind, self.end) if isinstance(behind, str) else self.end


class PlainBlob(NamedTuple):
    """A block blob that has nothing but what is here; instants are seconds since 1970."""

    name: str
    etag: int
    created: int
    modified: int
    length: int
    content_type: str
    md5_hex: str
    tier: str
    tier_changed: int | None
    metadata: str | None  # JSON, as the column has it
    tags: str | None
    other_id: int = 0


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """Stands for all blobs whose names begin with it."""

    name: str


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """A name with staged blocks and no blob."""

    name: str


Entry = Blob | PlainBlob | CommonPrefix | Uncommitted


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``following`` is where the next one begins, None at the end."""

    entries: Sequence[Entry]
    following: Position | None


def list_blobs(tx: sqlite3.Connection, address: Address, listing: Listing) -> Page:
    """Return a page of a container's blobs; raises ContainerNotFound."""
    container = container_id(tx, address)
    if not listing.delimiter and not listing.uncommitted:
        return _flat_page(tx, container, listing)
    entries: list[Entry] = []
    position: Position | None = max(listing.start, Position(listing.prefix))
    while position is not None:
        resume: Position | None = None
        for name, snapshot, row in _entries(tx, container, listing, position):
            if row == _NOT_LOOKED_AT:
                return Page(entries, Position(name, snapshot))
            if row is None and _is_blob(tx, container, name):
                continue
            common = _common_prefix(name, listing)
            if len(entries) == listing.limit:
                return Page(entries, Position(common) if common else Position(name, snapshot))
            if common:
                entries.append(CommonPrefix(common))
                after = successor(common)
                resume = Position(after) if after is not None else None
                break
            entries.append(blob_of(row) if row is not None else Uncommitted(name))
        position = resume
    return Page(entries, None)


def _flat_page(tx: sqlite3.Connection, container: int, listing: Listing) -> Page:
    values = _page_values(container, listing, max(listing.start, Position(listing.prefix)))
    cursor = tx.execute(PAGE, values)
    rows = cursor.fetchmany(listing.limit + 1)
    cursor.close()
    entries = [blob_of(row) for row in rows[: listing.limit]]
    if len(rows) > listing.limit:
        return Page(entries, Position(rows[-1][2], rows[-1][3]))
    return Page(entries, _not_looked_at(tx, values))


def list_plainly(tx: sqlite3.Connection, address: Address, listing: Listing) -> Page:
    """Return a page as ``list_blobs`` does, with ordinary blobs in their short form.

    For answering clients: a page of a thousand costs half as much.
    """
    is_plain = not (
        listing.snapshots or listing.versions or listing.versions_only or listing.deleted
    )
    if listing.delimiter or listing.uncommitted or not is_plain:
        return list_blobs(tx, address, listing)
    container = container_id(tx, address)
    values = _page_values(container, listing, max(listing.start, Position(listing.prefix)))
    values["limit"] = listing.limit + 1
    [(page,)] = tx.execute(PLAIN_PAGE, values)
    found = list(map(PlainBlob._make, json.loads(page)))
    entries = found[: listing.limit]
    is_cut = len(found) > listing.limit
    following = Position(found[-1].name) if is_cut else _not_looked_at(tx, values)
    return Page([_whole(tx, entry) if entry.other_id else entry for entry in entries], following)


def _not_looked_at(tx: sqlite3.Connection, values: Mapping[str, object]) -> Position | None:
    """Return where those begin that a page which did not fill up had no look at."""
    found = tx.execute(BEHIND_NEAR, values).fetchone()
    return Position._make(found) if found is not None else None


def _whole(tx: sqlite3.Connection, entry: PlainBlob) -> Blob:
    return blob_of(tx.execute(_BY_ID, {"id": entry.other_id}).fetchone())


def list_containers(
    tx: sqlite3.Connection, account: str, *, prefix: str, start: str, limit: int
) -> tuple[Sequence[Container], str]:
    """Return a page of containers and the name with which the next one begins."""
    values = {
        "account": account,
        "name": max(prefix, start),
        "beyond": _behind(prefix),
        "limit": limit + 1,
    }
    [(page,)] = tx.execute(CONTAINERS, values)
    found = [container_of(row) for row in json.loads(page)]
    return found[:limit], found[limit].name if len(found) > limit else ""


def successor(prefix: str) -> str | None:
    """Return the smallest text behind all that begin with ``prefix``; None where there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code <= 0x10FFFF:
            return prefix[:at] + chr(0xE000 if code == 0xD800 else code)
    return None


def _behind(prefix: str) -> str | bytes:
    """Return what sorts behind all that begin with ``prefix``."""
    after = successor(prefix)
    return after if after is not None else _BEHIND_ALL_TEXT


_Entry = tuple[str, int, tuple[Any, ...] | None]
_STAGED: Final = 0  # the place of staged blocks among the snapshots of a name
_NOT_LOOKED_AT: Final = ()  # instead of a row: from here on the next page has to look


def _entries(
    tx: sqlite3.Connection, container: int, listing: Listing, start: Position
) -> Iterator[_Entry]:
    blobs = _blobs(tx, container, listing, start)
    if not listing.uncommitted:
        return blobs
    staged = _staged(tx, container, listing, start)
    return heapq.merge(blobs, staged, key=lambda entry: entry[:2])


def _blobs(
    tx: sqlite3.Connection, container: int, listing: Listing, start: Position
) -> Iterator[_Entry]:
    values = _page_values(container, listing, start)
    cursor = tx.execute(PAGE, values)
    try:
        for row in cursor:
            yield row[2], row[3], row
    finally:
        cursor.close()
    position = _not_looked_at(tx, values)
    if position is not None:
        yield position.name, position.snapshot, _NOT_LOOKED_AT


def _page_values(container: int, listing: Listing, start: Position) -> dict[str, object]:
    return {
        "container": container,
        "name": start.name,
        "snapshot": start.snapshot,
        "beyond": listing.beyond,
        "near": LOOKED_AT_LIMIT,
        "snapshots": listing.snapshots,
        "versions": listing.versions,
        "versions_only": listing.versions_only,
        "deleted": listing.deleted,
    }


def _is_blob(tx: sqlite3.Connection, container: int, name: str) -> bool:
    values = {"container": container, "name": name}
    return tx.execute(_IS_BLOB, values).fetchone() is not None


def _staged(
    tx: sqlite3.Connection, container: int, listing: Listing, start: Position
) -> Iterator[_Entry]:
    """Give names with staged blocks, those of blobs too, before all that is stored of a name.

    So a page can start between the two, as what is stored may be given too: where it is deleted.
    """
    name = start.name if start.snapshot == _STAGED else _next_name(start.name)
    while True:
        values = {"container": container, "name": name, "beyond": listing.beyond}
        (name,) = tx.execute(_NEXT_STAGED, values).fetchone()
        if name is None:
            return
        yield name, _STAGED, None
        name = _next_name(name)


def _next_name(name: str) -> str:
    """Return the next possible name."""
    return name + "\0"


def _common_prefix(name: str, listing: Listing) -> str:
    if not listing.delimiter:
        return ""
    at = name.find(listing.delimiter, len(listing.prefix))
    return name[: at + len(listing.delimiter)] if at >= 0 else ""
