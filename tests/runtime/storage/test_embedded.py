"""What only the account in this process does: one transaction, push, and coming back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from triggerfish.model import DeleteMessage, LogLine, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.account import AccountError, Conflict, Unavailable
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.clock import Clock, SystemClock
from triggerfish_storage.contents import Content
from triggerfish_storage.server import open_account

ENDPOINT = "http://127.0.0.1:10000/devstoreaccount1"
TEN_MINUTES = timedelta(minutes=10)
LARGE = b"x" * 100_000  # does not fit into a row, so it lies in a file


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncIterator[EmbeddedAccount]:
    async with open_account(folder, clock=clock or SystemClock()) as stores:
        yield embedded(stores)


def embedded(stores: StorageAccount) -> EmbeddedAccount:
    log: list[LogLine] = []
    return EmbeddedAccount(stores, blob_endpoint=ENDPOINT, log=log.append)


@pytest.fixture
def account(stores: StorageAccount) -> EmbeddedAccount:
    return embedded(stores)


def files_of(folder: Path) -> list[Path]:
    return list((folder / "data" / "contents").iterdir())


# --- all or nothing ---------------------------------------------------------------------------


async def test_of_an_invocation_that_cannot_be_written_nothing_is(account, tmp_path):
    await account.blobs.put("files", "leased", b"old")
    await account.blobs.acquire_lease("files", "leased", seconds=15)
    await account.queues.create("inbox")
    await account.queues.put("inbox", "trigger")
    [message] = await account.queues.take("inbox", count=1, hide_for=TEN_MINUTES)

    with (
        account.watch_queue("outbox") as queue,
        account.watch_container("other") as container,
        pytest.raises(Conflict, match="blob 'files/leased'") as refused,
    ):
        await account.apply(
            [
                PutMessage("outbox", "one"),
                PutBlob("other", "a", LARGE),
                DeleteMessage("inbox", message.id, message.pop_receipt),
                PutBlob("files", "leased", LARGE),
            ]
        )

    assert "inbox" not in str(refused.value)  # its completion is not what was refused
    assert not await account.queues.exists("outbox")
    assert await account.blobs.get("other", "a") is None
    assert await account.queues.count("inbox") == 1
    assert files_of(tmp_path) == []
    assert not queue.event.is_set()
    assert not container.event.is_set()


async def test_of_invocations_that_end_together_one_that_fails_harms_no_other(account):
    await account.blobs.put("files", "leased", b"old")
    await account.blobs.acquire_lease("files", "leased", seconds=15)
    await account.queues.create("inbox")
    for number in range(4):
        await account.queues.put("inbox", str(number))
    messages = await account.queues.take("inbox", count=4, hide_for=TEN_MINUTES)
    effects = [
        [
            PutMessage("outbox", message.text),
            DeleteMessage("inbox", message.id, message.pop_receipt),
        ]
        for message in messages
    ]
    effects[1].append(PutBlob("files", "leased", b"new"))
    effects[2][1] = DeleteMessage("inbox", messages[2].id, "no longer ours")

    outcomes = await asyncio.gather(*map(account.apply, effects), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict, *[type(None)] * 2]
    written = await account.queues.peek("outbox", count=32)
    assert [message.text for message in written] == ["0", "2", "3"]
    assert await account.queues.count("inbox") == 2


async def test_a_large_output_that_is_overwritten_leaves_one_file(account, tmp_path):
    for number in range(3):
        await account.apply([PutBlob("files", "a", LARGE + b"%d" % number)])

    found = await account.blobs.get("files", "a")
    assert found is not None
    assert found.content == LARGE + b"2"
    assert len(files_of(tmp_path)) == 1


async def test_a_full_disk_is_unavailable_and_changes_nothing(account, stores, tmp_path):
    await account.queues.create("inbox")
    await account.queues.put("inbox", "one")
    [pages] = await stores.database.write(lambda tx: tx.execute("PRAGMA page_count").fetchone())
    limit = f"PRAGMA max_page_count = {pages}"
    await stores.database.write(lambda tx: tx.execute(limit).fetchone())

    with pytest.raises(Unavailable, match="full"):
        await account.apply(
            [PutBlob("files", "large", LARGE), *[PutMessage("inbox", "x" * 60_000)] * 5]
        )

    assert await account.queues.count("inbox") == 1
    assert files_of(tmp_path) == []


async def test_a_disk_that_is_full_for_the_second_output_leaves_nothing_of_the_first(
    account, stores, tmp_path, monkeypatch
):
    keep, left = stores.blobs.contents.keep, iter([True])

    async def keep_one(data: bytes) -> Content:
        if next(left, False):
            return await keep(data)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stores.blobs.contents, "keep", keep_one)
    with pytest.raises(Unavailable, match=r"'files/a', blob 'files/b'.*No space left"):
        await account.apply([PutBlob("files", "a", LARGE), PutBlob("files", "b", LARGE)])
    with pytest.raises(Unavailable, match="No space left"):
        await account.blobs.put("files", "c", LARGE)

    assert files_of(tmp_path) == []


@pytest.mark.parametrize(
    ("container", "blob"), [("Bad_Name", "a"), ("files", ""), ("files", "n" * 1025)]
)
async def test_names_that_http_could_not_reach_are_refused(account, container, blob):
    with pytest.raises(AccountError):
        await account.blobs.put(container, blob, LARGE)
    with pytest.raises(AccountError):
        await account.apply([PutBlob(container, blob, LARGE)])


# --- push -------------------------------------------------------------------------------------


async def test_a_watched_queue_tells_of_new_and_released_messages(account):
    await account.queues.create("inbox")
    with account.watch_queue("inbox") as watch:
        await account.apply([PutMessage("inbox", "one")])
        put = watch.event.is_set()
        watch.take()
        [message] = await account.queues.take("inbox", count=1, hide_for=TEN_MINUTES)
        taken = watch.event.is_set()
        await account.apply([ReleaseMessage("inbox", message.id, message.pop_receipt)])
        released = watch.event.is_set()

    assert (put, taken, released) == (True, False, True)


async def test_a_watched_container_names_what_changed(account):
    with account.watch_container("files") as watch, account.watch_container("other") as other:
        await account.blobs.put("files", "a", b"1")
        await account.apply([PutBlob("files", "b/c", b"2"), PutMessage("files", "no blob")])
        written = watch.take().names
        await account.blobs.set_metadata("files", "a", {"k": "v"})
        await account.blobs.delete("files", "b/c")
        changed = watch.take().names

    assert written - {""} == {"a", "b/c"}
    assert changed == {"a", "b/c"}
    assert not other.event.is_set()


async def test_the_next_message_to_show_is_known(account, clock):
    await account.queues.create("inbox")
    nothing = await account.next_visible("inbox", after=clock.now())
    await account.queues.put("inbox", "later", after=timedelta(seconds=90))
    await account.queues.put("inbox", "sooner", after=timedelta(seconds=30))
    await account.queues.put("inbox", "now")
    due = await account.next_visible("inbox", after=clock.now())

    assert nothing is None
    assert due == clock.now() + timedelta(seconds=30)


async def test_of_a_missing_queue_nothing_will_show(account, clock):
    assert await account.next_visible("missing", after=clock.now()) is None


# --- coming back ------------------------------------------------------------------------------


async def test_what_a_host_held_when_it_died_is_visible_again_and_was_no_try(tmp_path):
    async with opened(tmp_path) as first:
        await first.queues.create("inbox")
        for text in ("done", "held", "released"):
            await first.queues.put("inbox", text)
        done, held, released = await first.queues.take("inbox", count=3, hide_for=TEN_MINUTES)
        await first.apply([DeleteMessage("inbox", done.id, done.pop_receipt)])
        await first.apply([ReleaseMessage("inbox", released.id, released.pop_receipt, TEN_MINUTES)])
        renewed = await first.queues.renew("inbox", held.id, held.pop_receipt, hide_for=TEN_MINUTES)

    async with opened(tmp_path) as second:
        [again] = await second.queues.take("inbox", count=32, hide_for=TEN_MINUTES)
        count = await second.queues.count("inbox")

    assert (again.text, again.dequeue_count) == ("held", 1)
    assert again.pop_receipt not in (held.pop_receipt, renewed)
    assert count == 2
