"""Blobs of thousands of parts, and names with thousands of snapshots: others need not wait.

What goes through so many rows runs on a thread, which ``Database.write`` does on its own; what need
not go through them does not.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import (
    append_blobs,
    block_lists,
    blocks,
    containers,
    copies,
    deletion,
    incremental,
    lifecycle,
    page_blobs,
    snapshots,
    versions,
)
from triggerfish_storage.blobs.copies import CopyOrder
from triggerfish_storage.blobs.model import Address, Draft
from triggerfish_storage.blobs.ranges import ByteRange
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import ROWS_LIMIT

MANY = ROWS_LIMIT + 100
ROWS_OF = "SELECT id FROM blob WHERE name = :name"
PARTS = "SELECT count(*) FROM extent"
BLOCKS = "SELECT count(*) FROM block"
PAGE = Content(512, b"", b"p" * 512, None)
SMALL = Content(4, b"", b"1234", None)
SOFT_DELETE = """<DeleteRetentionPolicy><Enabled>{}</Enabled><Days>7</Days>
    </DeleteRetentionPolicy>"""


def at(name: str) -> Address:
    return Address("devstoreaccount1", "data", name)


@pytest.fixture
def long_ones(database, monkeypatch):
    """The units that ran on a thread because they took long."""
    ran = []
    write_long = database.write_long

    async def noted(unit):
        ran.append(unit)
        return await write_long(unit)

    monkeypatch.setattr(database, "write_long", noted)
    return ran


@pytest.fixture
async def stored(database, clock):
    """A page blob, an append blob and a name with staged blocks, each of many parts."""
    now = clock.now()

    def unit(tx: sqlite3.Connection) -> None:
        containers.create_container(tx, at(""), now=now)
        page_blobs.create_page_blob(tx, at("pages"), MANY * 1024, 0, Draft(), now=now)
        append_blobs.create_append_blob(tx, at("log"), Draft(), now=now)
        for number in range(MANY):
            begin = number * 1024
            page_blobs.put_pages(tx, at("pages"), begin, begin + 512, PAGE, now=now)
            append_blobs.append_block(tx, at("log"), SMALL, now=now)
            blocks.put_block(tx, at("blocks"), f"{number:08}", SMALL, now=now)
        lifecycle.put_blob(tx, at("plain"), SMALL, Draft(), now=now)

    await database.write_long(unit)


async def snapshots_of(database, clock, name: str) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        for _ in range(MANY):
            snapshots.snapshot_blob(tx, at(name), {}, now=clock.now())

    await database.write_long(unit)


async def keep_deleted(database, *, enabled: str = "true") -> None:
    policy = {"DeleteRetentionPolicy": SOFT_DELETE.format(enabled)}
    await database.write(lambda tx: service_properties.save(tx, "devstoreaccount1", "blob", policy))


LISTED = [block_lists.ListedBlock("Latest", f"{number:08}") for number in range(MANY)]
EVERYTHING = MANY * 1024
WRITES = {
    "clear": lambda tx, now: page_blobs.put_pages(tx, at("pages"), 0, EVERYTHING, None, now=now),
    "write over": lambda tx, now: page_blobs.put_pages(
        tx, at("pages"), 0, EVERYTHING, PAGE, now=now
    ),
    "resize": lambda tx, now: page_blobs.set_page_blob(
        tx, at("pages"), None, b"", length=512, now=now
    ),
    "snapshot": lambda tx, now: snapshots.snapshot_blob(tx, at("log"), {}, now=now),
    "copy": lambda tx, now: copies.copy_blob(tx, at("log"), at("new"), CopyOrder("u"), now=now),
    "copy in steps": lambda tx, now: incremental.copy_own_snapshot(
        tx, at("pages"), at("new"), "http://a/b?snapshot=2020-01-01T00:00:00.0000000Z", now=now
    ),
    "overwrite": lambda tx, now: lifecycle.put_blob(tx, at("log"), SMALL, Draft(), now=now),
    "overwrite staged": lambda tx, now: lifecycle.put_blob(
        tx, at("blocks"), SMALL, Draft(), now=now
    ),
    "delete": lambda tx, now: deletion.delete_blob(tx, at("pages"), now=now),
    "commit": lambda tx, now: block_lists.put_block_list(
        tx, at("blocks"), LISTED, Draft(), now=now
    ),
    "commit a few": lambda tx, now: block_lists.put_block_list(
        tx, at("blocks"), LISTED[:2], Draft(), now=now
    ),
}


@pytest.mark.parametrize("name", WRITES)
async def test_what_goes_through_all_parts_runs_on_a_thread(
    stored, database, clock, long_ones, name
):
    await database.write(lambda tx: WRITES[name](tx, clock.now()))

    assert len(long_ones) == 1


SHORT = {
    "put a page": lambda tx, now: page_blobs.put_pages(tx, at("pages"), 512, 2048, PAGE, now=now),
    "append": lambda tx, now: append_blobs.append_block(tx, at("log"), SMALL, now=now),
    "stage": lambda tx, now: blocks.put_block(tx, at("blocks"), "new-----", SMALL, now=now),
    "ranges": lambda tx, now: page_blobs.get_page_ranges(tx, at("pages"), 0, 4096, now=now),
    "first ranges": lambda tx, now: page_blobs.get_page_ranges(
        tx, at("pages"), 0, None, limit=5, now=now
    ),
}


@pytest.mark.parametrize("name", SHORT)
async def test_what_touches_few_parts_stays_short(stored, database, clock, long_ones, name):
    await database.write(lambda tx: SHORT[name](tx, clock.now()))

    assert long_ones == []


async def test_clearing_many_pages_takes_few_statements(stored, database, clock):
    said: list[str] = []

    def unit(tx: sqlite3.Connection) -> None:
        tx.set_trace_callback(said.append)
        page_blobs.put_pages(tx, at("pages"), 256 * 1024, 512 * 1024, None, now=clock.now())
        tx.set_trace_callback(None)

    await database.write(unit)

    assert len(said) < 20


async def test_page_ranges_are_cut_where_they_were_cut_before(stored, database, clock):
    def unit(tx: sqlite3.Connection) -> page_blobs.PageRanges:
        return page_blobs.get_page_ranges(tx, at("pages"), 600, 9_000, limit=3, now=clock.now())[1]

    found = await database.read(unit)

    assert found.written == [(1024, 1536), (2048, 2560), (3072, 3584)]
    assert found.following == 4096


async def test_all_of_many_parts_is_read(stored, store, clock):
    _, log = await store.get("data", "log", now=clock.now())
    _, pages = await store.get("data", "pages", now=clock.now())
    download = await store.open(at("log"), wanted=ByteRange(2, 9), now=clock.now())

    assert log == b"1234" * MANY
    assert pages == (b"p" * 512 + bytes(512)) * MANY
    assert await download.read() == b"34123412"


async def test_what_is_read_on_a_thread_is_kept_to_its_end(store, clock, folder):
    """Also where it is deleted between looking its parts up and reading them."""
    await store.create_container("data", now=clock.now())
    large = await store.prepare(b"x" * 40_000)
    now = clock.now()
    await store.write(lambda tx: append_blobs.create_append_blob(tx, at("a"), Draft(), now=now))
    await store.write(lambda tx: append_blobs.append_block(tx, at("a"), large, now=clock.now()))

    def append(tx: sqlite3.Connection) -> None:
        for _ in range(MANY):
            append_blobs.append_block(tx, at("a"), SMALL, now=clock.now())

    await store.write(append)
    download = await store.open(at("a"), now=clock.now())
    pieces = download.pieces()
    begun = await anext(pieces)
    await store.delete("data", "a", now=clock.now())

    assert begun == b"x" * 40_000
    assert len(list(folder.iterdir())) == 1
    await pieces.aclose()
    await store.committed()


# --- snapshots ----------------------------------------------------------------------------------


async def test_a_blob_with_many_snapshots_goes_and_comes_back_with_them(
    stored, store, database, clock, long_ones
):
    await snapshots_of(database, clock, "plain")
    long_ones.clear()
    await keep_deleted(database)

    with pytest.raises(StorageError, match="SnapshotsPresent"):
        await store.delete("data", "plain", now=clock.now())
    assert long_ones == []
    await store.delete("data", "plain", snapshots="include", now=clock.now())
    with pytest.raises(StorageError, match="BlobNotFound"):
        await store.get("data", "plain", now=clock.now())
    await store.write(lambda tx: deletion.undelete_blob(tx, at("plain")))

    assert len(long_ones) == 2
    assert (await store.get("data", "plain", now=clock.now()))[1] == b"1234"
    with pytest.raises(StorageError, match="SnapshotsPresent"):
        await store.delete("data", "plain", now=clock.now())
    await keep_deleted(database, enabled="false")
    await store.delete("data", "plain", snapshots="include", now=clock.now())
    assert not store.look(lambda tx: tx.execute(ROWS_OF, {"name": "plain"}).fetchall())


async def test_what_a_blob_was_before_is_not_gone_through_when_it_is_deleted(
    stored, store, database, clock, effort
):
    """Thousands of deleted snapshots, as soft delete leaves them of what is often written over."""

    def cost(name: str) -> int:
        return store.look(
            lambda tx: effort(
                tx, lambda tx: deletion._doomed(tx, get_blob(tx, at(name)), at(name), "")
            )
        )

    await store.put("data", "other", b"1234", now=clock.now())
    before = cost("other")
    await keep_deleted(database)
    await snapshots_of(database, clock, "other")
    await store.delete("data", "other", snapshots="only", now=clock.now())

    assert cost("other") <= before + 1


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_write_costs_the_same_however_many_states_a_blob_had(
    database, clock, effort, keeps
):
    """Versions, or what soft delete keeps of a blob that is written over."""
    await keep_deleted(database)

    def put(tx: sqlite3.Connection) -> None:
        lifecycle.put_blob(tx, at("hot"), SMALL, Draft(), now=clock.now())

    def begin(tx: sqlite3.Connection) -> int:
        versions.turn(tx, on=keeps)
        containers.create_container(tx, at(""), now=clock.now())
        for _ in range(3):
            put(tx)
        return effort(tx, put)

    def go_on(tx: sqlite3.Connection) -> int:
        for _ in range(500):
            put(tx)
        return effort(tx, put)

    first = await database.write_long(begin)

    assert await database.write_long(go_on) <= first + 3


async def test_what_is_purged_at_once_has_few_parts(database, clock, effort):
    """However many parts the blobs of a deleted container have, each step takes few."""
    now = clock.now()

    def fill(tx: sqlite3.Connection) -> None:
        containers.create_container(tx, at(""), now=now)
        for name in "abcd":
            append_blobs.create_append_blob(tx, at(name), Draft(), now=now)
            for _ in range(ROWS_LIMIT // 2 - 10):
                append_blobs.append_block(tx, at(name), SMALL, now=now)
        containers.delete_container(tx, at(""), now=now)

    await database.write_long(fill)
    left = []
    while await database.write(containers.purge_some):
        left.append(database.look(lambda tx: tx.execute(PARTS).fetchone()[0]))

    assert left == [ROWS_LIMIT - 20, 0, 0]
    assert database.look(lambda tx: tx.execute("SELECT 1 FROM content").fetchall()) == []


async def test_old_blocks_that_younger_ones_keep_are_looked_at_once(database, store, clock):
    """And not again for every few names that go."""
    now = clock.now()

    def fill(tx: sqlite3.Connection) -> None:
        containers.create_container(tx, at(""), now=now)
        for number in range(3 * ROWS_LIMIT):
            blocks.put_block(tx, at(f"kept{number}"), "aaaa", SMALL, now=now)
        for number in range(3 * ROWS_LIMIT):
            blocks.put_block(tx, at(f"old{number}"), "aaaa", SMALL, now=now)
            blocks.put_block(tx, at(f"kept{number}"), "bbbb", SMALL, now=now + timedelta(days=7))

    await database.write_long(fill)
    clock.move(days=8)
    steps = 1
    while await store.upkeep(clock.now()):
        steps += 1

    assert database.look(lambda tx: tx.execute(BLOCKS).fetchone()[0]) == 6 * ROWS_LIMIT
    assert steps < 15  # 3 for those that are kept, 3 for each thousand of the others


async def test_blocks_that_nobody_commits_go_a_few_names_at_a_time(database, store, clock):
    now = clock.now()

    def fill(tx: sqlite3.Connection) -> None:
        containers.create_container(tx, at(""), now=now)
        for name in "abcd":
            for number in range(ROWS_LIMIT // 2):
                blocks.put_block(tx, at(name), f"{number:08}", SMALL, now=now)

    await database.write_long(fill)
    clock.move(days=8)
    left = []
    while await store.upkeep(clock.now()):
        left.append(database.look(lambda tx: tx.execute(BLOCKS).fetchone()[0]))

    assert left[0] > 0
    assert database.look(lambda tx: tx.execute(BLOCKS).fetchone()[0]) == 0
