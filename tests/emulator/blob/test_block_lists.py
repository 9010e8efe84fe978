"""Put Block and Put Block List: which blocks a list may name, and what it leaves.

https://learn.microsoft.com/rest/api/storageservices/put-block-list
"""

import base64
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from triggerfish_storage.blobs.block_lists import ListedBlock, get_block_list, put_block_list
from triggerfish_storage.blobs.blocks import put_block
from triggerfish_storage.blobs.listing import Listing, Uncommitted
from triggerfish_storage.blobs.model import NO_CONDITIONS, Conditions, Draft
from triggerfish_storage.errors import StorageError

LARGE = b"L" * 40_000


@pytest.fixture
async def blocks(store, clock):
    await store.create_container("data", now=clock.now())
    return Blocks(store, clock)


class Blocks:
    """Blocks of one blob, by one-letter names."""

    def __init__(self, store, clock, blob: str = "blob") -> None:
        self._store, self._clock = store, clock
        self._at = store.at("data", blob)

    async def stage(self, name: str, data: bytes) -> None:
        content = await self._store.prepare(data)
        await self._store.write(
            lambda tx: put_block(tx, self._at, encoded(name), content, now=self._clock.now()),
            content=content,
        )

    async def commit(self, listed: str, conditions: Conditions = NO_CONDITIONS) -> None:
        """``listed`` is like ``Ca Ub Lc``."""
        sources = {"C": "Committed", "U": "Uncommitted", "L": "Latest"}
        entries = [ListedBlock(sources[word[0]], encoded(word[1:])) for word in listed.split()]
        await self._store.write(
            lambda tx: put_block_list(
                tx, self._at, entries, Draft(), conditions=conditions, now=self._clock.now()
            )
        )

    async def content(self) -> bytes:
        return (await self._store.get("data", "blob", now=self._clock.now()))[1]

    async def shown(self) -> tuple[str, str]:
        found = await self._store.read(
            lambda tx: get_block_list(tx, self._at, NO_CONDITIONS, self._clock.now())
        )
        return tuple(
            " ".join(f"{decoded(block.id)}{block.length}" for block in kind)
            for kind in (found.committed, found.uncommitted)
        )


def encoded(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


def decoded(block_id: str) -> str:
    return base64.b64decode(block_id).decode()


# Committed: a=1, b=22. Staged: b=333, c=4444.
ROWS = [
    ("Ca Cb", b"122"),
    ("Ca Ub", b"1333"),
    ("La Lb Lc", b"13334444"),
    ("Uc Ca", b"44441"),
    ("Ca Ca Ca", b"111"),
    ("Cb Ub Lb", b"22333333"),
    ("", b""),
    ("Cc", None),
    ("Ua", None),
    ("Lx", None),
    ("Ca Ux", None),
]


@pytest.mark.parametrize(("listed", "expected"), ROWS)
async def test_each_entry_finds_its_block_where_it_says(blocks, listed, expected):
    await blocks.stage("a", b"1")
    await blocks.stage("b", b"22")
    await blocks.commit("La Lb")
    await blocks.stage("b", b"333")
    await blocks.stage("c", b"4444")

    if expected is None:
        with pytest.raises(StorageError, match="InvalidBlockList"):
            await blocks.commit(listed)
        assert await blocks.content() == b"122"
        assert await blocks.shown() == ("a1 b2", "b3 c4")
    else:
        await blocks.commit(listed)
        assert await blocks.content() == expected
        assert (await blocks.shown())[1] == ""


async def test_the_last_of_two_blocks_with_one_id_counts(blocks):
    await blocks.stage("a", b"first")
    await blocks.stage("a", b"second")

    await blocks.commit("La")

    assert await blocks.content() == b"second"


STAGED = datetime(2024, 5, 1, 12, tzinfo=UTC)
BEFORE = STAGED - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("conditions", "is_met"),
    [
        (Conditions(if_modified_since=BEFORE), True),
        (Conditions(if_modified_since=STAGED), False),
        (Conditions(if_modified_since=STAGED, if_none_match="*"), True),
        (Conditions(if_unmodified_since=STAGED), True),
        (Conditions(if_unmodified_since=BEFORE), False),
    ],
)
async def test_blocks_alone_are_as_old_as_the_first_of_them(blocks, clock, conditions, is_met):
    assert clock.now() == STAGED
    await blocks.stage("a", b"1")
    clock.move(seconds=5)
    await blocks.stage("b", b"2")

    with nullcontext() if is_met else pytest.raises(StorageError, match="412 ConditionNotMet"):
        await blocks.commit("Lb", conditions)


@pytest.mark.parametrize("other", ["long-name", "ab"])  # "ab" is as long as "a" in base64
async def test_all_ids_of_a_blob_have_one_length(blocks, other):
    await blocks.stage("a", b"1")

    with pytest.raises(StorageError, match="InvalidBlobOrBlock"):
        await blocks.stage(other, b"2")


async def test_putting_the_blob_whole_forgets_what_was_staged(blocks, store, clock):
    await blocks.stage("a", b"1")

    await store.put("data", "blob", b"whole", now=clock.now())

    assert await blocks.shown() == ("", "")
    with pytest.raises(StorageError, match="InvalidBlockList"):
        await blocks.commit("La")


async def test_unused_and_replaced_blocks_leave_no_file(blocks, folder):
    await blocks.stage("a", LARGE)
    await blocks.stage("b", LARGE)
    await blocks.stage("c", LARGE)
    assert len(list(folder.iterdir())) == 3

    await blocks.commit("La La")

    assert len(list(folder.iterdir())) == 1
    assert await blocks.content() == LARGE + LARGE
    await blocks.commit("")
    assert list(folder.iterdir()) == []


async def test_what_nobody_commits_within_a_week_is_gone(blocks, store, clock, folder):
    await blocks.stage("a", LARGE)
    clock.move(days=6)
    await blocks.stage("b", LARGE)
    clock.move(days=6)
    await store.upkeep(clock.now())
    assert await blocks.shown() == ("", "a40000 b40000")

    clock.move(days=1)
    with pytest.raises(StorageError, match="BlobNotFound"):
        await blocks.shown()
    with pytest.raises(StorageError, match="InvalidBlockList"):
        await blocks.commit("La")

    await store.upkeep(clock.now())
    assert list(folder.iterdir()) == []


async def test_only_names_without_a_younger_block_lose_their_old_ones(blocks, store, clock):
    kept, old = Blocks(store, clock, "kept"), Blocks(store, clock, "old")
    await kept.stage("a", b"1")
    await old.stage("a", b"1")
    clock.move(days=6)
    await kept.stage("b", b"22")
    clock.move(days=2)

    await store.upkeep(clock.now())

    assert await kept.shown() == ("", "a1 b2")
    staged = store.look(lambda tx: tx.execute("SELECT count(*) FROM block").fetchone())
    assert staged == (2,)


async def test_a_name_with_staged_blocks_is_listed_only_on_request(blocks, store, clock):
    await blocks.stage("a", b"1")
    await store.put("data", "afore", b"", now=clock.now())
    await store.put("data", "zzz", b"", now=clock.now())

    plain = await store.page("data", Listing())
    whole = await store.page("data", Listing(uncommitted=True))

    assert [entry.name for entry in plain.entries] == ["afore", "zzz"]
    assert [entry.name for entry in whole.entries] == ["afore", "blob", "zzz"]
    assert isinstance(whole.entries[1], Uncommitted)


async def test_blocks_are_for_block_blobs_and_for_those_who_hold_the_lease(blocks, store, clock):
    await store.put("data", "blob", b"x", now=clock.now())
    await store.acquire_lease("data", "blob", seconds=15, now=clock.now())

    with pytest.raises(StorageError, match="LeaseIdMissing"):
        await blocks.stage("a", b"1")
    clock.move(seconds=15)
    await blocks.stage("a", b"1")


async def test_a_long_list_is_committed_without_copying_and_read_in_order(blocks, store, clock):
    names = [f"{number:05}" for number in range(2000)]
    for name in names:
        await blocks.stage(name, name.encode())

    await blocks.commit(" ".join(f"L{name}" for name in reversed(names)))

    assert await blocks.content() == "".join(reversed(names)).encode()
    clock.move(days=30)
    await store.upkeep(clock.now())
    assert (await blocks.content())[:5] == b"01999"


@pytest.mark.usefixtures("data")
async def test_a_list_of_no_kind_is_that_of_the_committed_blocks(raw):
    answer = await raw("GET", "/data/a?comp=blocklist&blocklisttype=")

    assert answer.status == 200
    assert b"<CommittedBlocks>" in answer.body
