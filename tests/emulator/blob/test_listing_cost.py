"""Pages of a large container cost by page: it is not gone through, and prefixes are skipped."""

import sqlite3
from dataclasses import replace
from itertools import chain

import pytest

from triggerfish_storage.blobs import list_wire, listing
from triggerfish_storage.blobs.containers import create_container
from triggerfish_storage.blobs.listing import (
    Listing,
    PlainBlob,
    Position,
    list_blobs,
    list_containers,
    list_plainly,
)
from triggerfish_storage.blobs.model import CURRENT, Address, ContentHeaders, Draft

ADD_MANY = """
    WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < :last)
    INSERT INTO blob (container_id, name, snapshot, type, etag, created, modified, length,
        content_type, content_encoding, content_language, content_disposition, cache_control,
        metadata, tags, tier, sequence_number, block_count, sealed, immutability_mode, legal_hold)
    SELECT 1, printf('d%04d/f%04d', n / 1000, n % 1000), 9223372036854775807, 'BlockBlob', n, 0,
        0, 0, 't', '', '', '', '', '{}', '{}', '', 0, 0, 0, '', 0
    FROM number"""
HIDE_MANY = "UPDATE blob SET deleted = 1 WHERE name < 'd0019/f0998'"
STAGE = """
    INSERT INTO block (container_id, name, block, length, content_id, staged)
    VALUES (1, :name, 'YQ==', 1, 1, 0)"""
TAGGED = Draft(tags={"k": "v"})


@pytest.fixture
async def large(database, clock):
    """20,000 blobs in 20 folders."""
    address = Address("devstoreaccount1", "data")

    def unit(tx: sqlite3.Connection) -> None:
        create_container(tx, address, now=clock.now())
        tx.execute(ADD_MANY, {"last": 19_999})

    await database.write(unit)
    return address


@pytest.fixture
def steps_of(database, effort):
    """Return how much work SQLite had with a page, and the page's names."""

    async def measured(address: Address, wanted: Listing, lists=list_blobs):
        names: list[str] = []

        def unit(tx: sqlite3.Connection) -> None:
            names.extend(entry.name for entry in lists(tx, address, wanted).entries)

        return await database.read(lambda tx: effort(tx, unit)), names

    return measured


async def pages_of(database, address: Address, wanted: Listing, lists) -> list[list[str]]:
    """Return the names on every page of a listing."""

    def unit(tx: sqlite3.Connection) -> list[list[str]]:
        pages: list[list[str]] = []
        position: Position | None = wanted.start
        while position is not None:
            page = lists(tx, address, replace(wanted, start=position))
            pages.append([entry.name for entry in page.entries])
            position = page.following
        return pages

    return await database.read(unit)


async def test_a_page_in_the_middle_costs_what_the_first_one_costs(large, steps_of):
    first, _ = await steps_of(large, Listing(limit=100))
    middle, names = await steps_of(
        large, Listing(limit=100, start=Position("d0010/f0500", CURRENT))
    )

    assert names[0] == "d0010/f0500"
    assert middle < first * 1.2


async def test_folded_prefixes_are_skipped_not_walked(large, steps_of):
    one_page, _ = await steps_of(large, Listing(limit=100))
    folded, names = await steps_of(large, Listing(delimiter="/"))

    assert names == [f"d{number:04}/" for number in range(20)]
    assert folded < one_page


async def test_a_page_of_folders_continues_behind_its_last_one(database, large):
    pages = await pages_of(database, large, Listing(delimiter="/", limit=7), list_blobs)

    assert list(chain(*pages)) == [f"d{number:04}/" for number in range(20)]


@pytest.mark.parametrize("lists", [list_blobs, list_plainly])
async def test_a_page_ends_with_its_prefix_not_with_the_container(large, lists, steps_of):
    few = Listing(prefix="d0003/f000")

    work, names = await steps_of(large, few, lists)
    whole, _ = await steps_of(large, Listing(), lists)

    assert names == [f"d0003/f000{number}" for number in range(10)]
    assert work < whole / 100


async def test_a_prefix_of_the_last_character_ends_too(store, clock):
    await store.create_container("data", now=clock.now())
    last = "\U0010ffff"
    for name in ("a", last, last * 2, last + "a"):
        await store.put("data", name, b"", now=clock.now())

    page = await store.page("data", Listing(prefix=last))

    assert [blob.name for blob in page.entries] == [last, last + "a", last * 2]


@pytest.mark.parametrize("lists", [list_blobs, list_plainly])
@pytest.mark.parametrize(
    "wanted", [Listing(), Listing(delimiter="/"), Listing(prefix="d00"), Listing(uncommitted=True)]
)
async def test_a_page_looks_at_so_many_hidden_blobs_and_leaves_the_rest_to_the_next(
    database, large, monkeypatch, lists, wanted
):
    monkeypatch.setattr(listing, "LOOKED_AT_LIMIT", 5_001)
    await database.write(lambda tx: tx.execute(HIDE_MANY))

    pages = await pages_of(database, large, wanted, lists)

    visible = ["d0019/"] if wanted.delimiter else ["d0019/f0998", "d0019/f0999"]
    assert pages == [[], [], [], visible]


async def test_staged_names_wait_for_the_blobs_that_are_not_looked_at_yet(
    database, large, monkeypatch
):
    monkeypatch.setattr(listing, "LOOKED_AT_LIMIT", 15_000)
    await database.write(lambda tx: tx.execute(HIDE_MANY))
    await database.write(lambda tx: tx.executemany(STAGE, [{"name": "a"}, {"name": "d0019/g"}]))

    pages = await pages_of(database, large, Listing(uncommitted=True), list_blobs)

    assert pages == [["a"], ["d0019/f0998", "d0019/f0999", "d0019/g"]]


async def test_staged_names_of_blobs_cost_by_what_a_page_shows(large, database, steps_of):
    """However many blobs have blocks that wait to be committed."""
    plain, _ = await steps_of(large, Listing(limit=100, uncommitted=True))
    names = [{"name": f"d{n // 1000:04}/f{n % 1000:04}"} for n in range(10_000)]
    await database.write(lambda tx: tx.executemany(STAGE, names))

    flat, shown = await steps_of(large, Listing(limit=100, uncommitted=True))
    folders, tops = await steps_of(large, Listing(delimiter="/", uncommitted=True))

    assert shown == [name["name"] for name in names[:100]]
    assert len(tops) == 20
    assert max(flat, folders) < plain * 3


async def test_a_page_that_ends_before_a_staged_name_of_its_last_blob_shows_it_once(
    large, database
):
    names = [{"name": f"d0000/f{n:04}"} for n in range(6)]
    await database.write(lambda tx: tx.executemany(STAGE, names))

    pages = await pages_of(
        database, large, Listing(prefix="d0000/f000", limit=2, uncommitted=True), list_blobs
    )

    assert pages == [[f"d0000/f{n:04}", f"d0000/f{n + 1:04}"] for n in range(0, 10, 2)]


async def test_a_page_of_containers_ends_with_its_prefix(store, database, clock):
    for name in ("aa", "ab-1", "ab-2", "b"):
        await store.create_container(name, now=clock.now())

    found, following = await database.read(
        lambda tx: list_containers(tx, store.account, prefix="ab", start="", limit=5)
    )

    assert [container.name for container in found] == ["ab-1", "ab-2"]
    assert following == ""


@pytest.mark.parametrize("include", [set(), {"metadata"}, {"tags"}, {"metadata", "tags"}])
async def test_the_short_form_of_ordinary_blobs_is_rendered_like_the_whole_one(
    store, clock, include
):
    await store.create_container("data", now=clock.now())
    odd = Draft(ContentHeaders("a<b", "gzip", "de", "inline", "no-store"), {"k": "<v>"})
    plain = Draft(ContentHeaders("text/x&y"), {"Name": "v"}, {"a": "b", "<": "&"})
    cool = Draft(tier="Cool")
    for name, draft in [
        ("a&b", plain),
        ("cool", cool),
        ("odd", odd),
        ("other", Draft()),
        ("tagged", TAGGED),
    ]:
        await store.put("data", name, b"x", draft, now=clock.now())
    await store.acquire_lease("data", "other", seconds=15, now=clock.now())
    await store.put("data", "z", b"", now=clock.now())
    address, wanted = store.at("data"), Listing(limit=5)

    short = await store.read(lambda tx: list_plainly(tx, address, wanted))
    whole = await store.read(lambda tx: list_blobs(tx, address, wanted))

    assert sum(isinstance(entry, PlainBlob) for entry in short.entries) == 3
    assert (short.following.name, whole.following.name) == ("z", "z")
    rendered = [
        list_wire.blob_page(
            *(page, wanted, frozenset(include)),
            endpoint="http://here/account",
            container="data",
            marker="",
            maxresults="",
            now=clock.now(),
        )
        for page in (replace(short, following=None), replace(whole, following=None))
    ]
    assert rendered[0] == rendered[1]
