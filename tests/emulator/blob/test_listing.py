"""Pages of a large container cost by page: plans use the index, and prefixes are skipped."""

import sqlite3
from dataclasses import replace

import pytest

from triggerfish_storage.blobs import (
    blocks,
    deletion,
    extents,
    list_wire,
    listing,
    rows,
    tag_search,
)
from triggerfish_storage.blobs.containers import create_container
from triggerfish_storage.blobs.listing import Listing, PlainBlob, Position, list_blobs, list_plainly
from triggerfish_storage.blobs.model import CURRENT, Address, ContentHeaders, Draft

ADD_MANY = """
    WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < :last)
    INSERT INTO blob (container_id, name, snapshot, type, etag, created, modified, length,
        content_type, content_encoding, content_language, content_disposition, cache_control,
        metadata, tags, tier, sequence_number, block_count, sealed, immutability_mode, legal_hold)
    SELECT 1, printf('d%04d/f%04d', n / 1000, n % 1000), 9223372036854775807, 'BlockBlob', n, 0,
        0, 0, 't', '', '', '', '', '{}', '{}', '', 0, 0, 0, '', 0
    FROM number"""
TAGGED = Draft(tags={"k": "v"})
PLANS = [
    (listing.PLAIN_PAGE, "SEARCH blob USING INDEX"),
    (tag_search.FIND, "SEARCH blob_tag USING PRIMARY KEY"),
    (listing.PAGE, "SEARCH blob USING INDEX"),
    (rows.FIND_BLOB, "SEARCH blob USING INDEX"),
    (listing.CONTAINERS, "SEARCH container USING INDEX"),
    (extents.PARTS, "SEARCH extent USING PRIMARY KEY"),
    (blocks.OLD, "SEARCH block USING COVERING INDEX block_staged"),
    (rows.READ_BLOB, "SEARCH blob USING INDEX"),
    (deletion.EXPIRED, "SEARCH blob USING COVERING INDEX blob_expires"),
]


@pytest.mark.parametrize(("query", "expected"), PLANS)
async def test_hot_queries_search_by_index_and_sort_nothing(database, query, expected):
    def plan(tx: sqlite3.Connection) -> list[str]:
        values = dict.fromkeys(
            (
                *("account", "container", "blob", "snapshot", "name", "snapshots", "deleted"),
                *("limit", "count", "begin", "end", "preload", "now"),
                *("key", "low", "high", "value"),
            ),
            0,
        )
        return [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {query}", values)]

    steps = await database.read(plan)

    assert any(step.startswith(expected) for step in steps)
    assert not any("SCAN" in step or "TEMP B-TREE" in step for step in steps)


@pytest.fixture
async def large(database, clock):
    """20,000 blobs in 20 folders."""
    address = Address("devstoreaccount1", "data")

    def unit(tx: sqlite3.Connection) -> None:
        create_container(tx, address, now=clock.now())
        tx.execute(ADD_MANY, {"last": 19_999})

    await database.write(unit)
    return address


async def steps_of(database, address: Address, wanted: Listing) -> tuple[int, list[str]]:
    """Return how much work SQLite had with a page, and the page's names."""
    work = [0]

    def count() -> int:
        work[0] += 1
        return 0

    def unit(tx: sqlite3.Connection) -> list[str]:
        tx.set_progress_handler(count, 10)
        try:
            return [entry.name for entry in list_blobs(tx, address, wanted).entries]
        finally:
            tx.set_progress_handler(None, 0)

    names = await database.read(unit)
    return work[0], names


async def test_a_page_in_the_middle_costs_what_the_first_one_costs(database, large):
    first, _ = await steps_of(database, large, Listing(limit=100))
    middle, names = await steps_of(
        database, large, Listing(limit=100, start=Position("d0010/f0500", CURRENT))
    )

    assert names[0] == "d0010/f0500"
    assert middle < first * 1.2


async def test_folded_prefixes_are_skipped_not_walked(database, large):
    one_page, _ = await steps_of(database, large, Listing(limit=100))
    folded, names = await steps_of(database, large, Listing(delimiter="/"))

    assert names == [f"d{number:04}/" for number in range(20)]
    assert folded < one_page


async def test_a_page_of_folders_continues_behind_its_last_one(database, large):
    def unit(tx: sqlite3.Connection) -> list[str]:
        names: list[str] = []
        position: Position | None = Position()
        while position is not None:
            wanted = Listing(delimiter="/", limit=7, start=position)
            page = list_blobs(tx, large, wanted)
            names += [entry.name for entry in page.entries]
            position = page.following
        return names

    assert await database.read(unit) == [f"d{number:04}/" for number in range(20)]


@pytest.mark.parametrize("include", [frozenset(), frozenset({"metadata"})])
async def test_the_short_form_of_ordinary_blobs_is_rendered_like_the_whole_one(
    store, clock, include
):
    await store.create_container("data", now=clock.now())
    odd = Draft(ContentHeaders("a<b", "gzip", "de", "inline", "no-store"), {"k": "<v>"})
    plain = Draft(ContentHeaders("text/x&y"), {"Name": "v"}, tier="Cool")
    for name, draft in [("a&b", plain), ("odd", odd), ("other", Draft()), ("tagged", TAGGED)]:
        await store.put("data", name, b"x", draft, now=clock.now())
    await store.acquire_lease("data", "other", seconds=15, now=clock.now())
    await store.put("data", "z", b"", now=clock.now())
    address, wanted = store.at("data"), Listing(limit=4)

    short = await store.read(lambda tx: list_plainly(tx, address, wanted))
    whole = await store.read(lambda tx: list_blobs(tx, address, wanted))

    assert sum(isinstance(entry, PlainBlob) for entry in short.entries) == 1
    assert (short.following.name, whole.following.name) == ("z", "z")
    rendered = [
        list_wire.blob_page(
            *(page, wanted, include),
            endpoint="http://here/account",
            container="data",
            marker="",
            maxresults="",
            now=clock.now(),
        )
        for page in (replace(short, following=None), replace(whole, following=None))
    ]
    assert rendered[0] == rendered[1]
