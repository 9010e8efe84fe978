"""What a host in the same process relies on: units of work, many at once, and being told."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from triggerfish_storage.changes import Changes
from triggerfish_storage.database import Database
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT as ACCOUNT
from triggerfish_storage.queues import directory, receipts, rows
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.testing import ManualClock

SOON = timedelta(seconds=30)


async def test_effects_composed_in_one_unit_happen_together_or_not_at_all(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    await store.put("orders", "one", now=clock.now())
    [taken] = await store.take("orders", count=1, now=clock.now(), hide_for=SOON)

    def unit(tx: sqlite3.Connection) -> None:
        directory.ensure(tx, ACCOUNT, "invoices")
        rows.put(tx, ACCOUNT, "invoices", "made", now=clock.now())
        receipts.delete(tx, ACCOUNT, "orders", taken.id, taken.pop_receipt, now=clock.now())

    def broken(tx: sqlite3.Connection) -> None:
        unit(tx)
        rows.put(tx, ACCOUNT, "missing", "never", now=clock.now())

    with pytest.raises(StorageError, match="QueueNotFound"):
        await database.write(broken)
    assert not store.exists("invoices")
    assert store.count("orders", now=clock.now()) == 1

    await database.write(unit)
    assert store.count("invoices", now=clock.now()) == 1
    assert store.count("orders", now=clock.now()) == 0


async def test_accounts_do_not_see_each_other(
    database: Database, changes: Changes, store: QueueStore, clock: ManualClock
) -> None:
    other = QueueStore(database, changes, account="other")
    await store.create("orders")
    await other.create("orders")

    await store.put("orders", "ours", now=clock.now())

    assert other.peek("orders", count=1, now=clock.now()) == []
    await other.delete_queue("orders")
    assert store.count("orders", now=clock.now()) == 1


async def test_messages_added_at_once_are_taken_in_their_order(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    texts = [str(number) for number in range(20)]

    await database.write(lambda tx: rows.add(tx, ACCOUNT, "orders", texts, now=clock.now()))

    taken = await store.take("orders", count=32, now=clock.now(), hide_for=SOON)
    assert [message.text for message in taken] == texts
    assert len({message.id for message in taken}) == 20
    assert {message.expires_at for message in taken} == {clock.now() + rows.LIFE}
    assert store.count("orders", now=clock.now()) == 20


async def test_of_messages_deleted_at_once_it_is_known_whether_all_were_ours(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    for number in range(3):
        await store.put("orders", str(number), now=clock.now())
    taken = await store.take("orders", count=3, now=clock.now(), hide_for=SOON)
    ours = [(message.id, message.pop_receipt) for message in taken]

    def delete(tx: sqlite3.Connection, messages: list[tuple[str, str]]) -> None:
        if not receipts.delete_all(tx, ACCOUNT, "orders", messages, now=clock.now()):
            raise LookupError

    with pytest.raises(LookupError):
        await database.write(lambda tx: delete(tx, [*ours[:2], (ours[2][0], "0" * 16)]))
    assert store.count("orders", now=clock.now()) == 3

    await database.write(lambda tx: delete(tx, ours))
    assert store.count("orders", now=clock.now()) == 0
    assert database.look(lambda tx: tx.execute("SELECT * FROM message").fetchall()) == []


@pytest.mark.parametrize("id_", ["f" * 36, "ffffffff-ffff-ffff-ffff-ffffffffffff", "", "é" * 36])
async def test_an_id_that_no_message_can_have_is_not_found(
    store: QueueStore, clock: ManualClock, id_: str
) -> None:
    await store.create("orders")

    with pytest.raises(StorageError, match="MessageNotFound"):
        await store.delete("orders", id_, "f" * 16, now=clock.now())


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\ud800", "\ufffe"])
async def test_a_text_that_xml_cannot_carry_is_refused(
    store: QueueStore, clock: ManualClock, text: str
) -> None:
    await store.create("orders")

    with pytest.raises(StorageError, match="InvalidXmlDocument"):
        await store.put("orders", text, now=clock.now())


async def test_a_carriage_return_is_kept(store: QueueStore, clock: ManualClock) -> None:
    await store.create("orders")
    await store.put("orders", "a\r\nb\r", now=clock.now())

    assert store.peek("orders", count=1, now=clock.now())[0].text == "a\r\nb\r"


async def test_the_next_visible_time_is_that_of_the_first_hidden_message(
    store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    assert store.next_visible("orders", now=clock.now()) is None

    await store.put("orders", "now", now=clock.now())
    assert store.next_visible("orders", now=clock.now()) is None

    for seconds in (50, 20, 90):
        after = timedelta(seconds=seconds)
        await store.put("orders", "later", now=clock.now(), after=after)
    assert store.next_visible("orders", now=clock.now()) == clock.now() + timedelta(seconds=20)
    assert store.next_visible("missing", now=clock.now()) is None


async def test_a_message_that_ends_while_hidden_never_becomes_visible(
    store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    life = timedelta(seconds=20)
    await store.put("orders", "short", now=clock.now(), life=life)
    await store.take("orders", count=1, now=clock.now(), hide_for=SOON)

    assert store.next_visible("orders", now=clock.now()) is None


async def test_whoever_watches_is_told_of_messages_after_their_commit(
    store: QueueStore, changes: Changes, clock: ManualClock
) -> None:
    with changes.watch("queue", "orders") as watch:
        await store.create("orders")
        assert watch.take().names
        await store.put("orders", "one", now=clock.now())
        assert watch.take().names
        [taken] = await store.take("orders", count=1, now=clock.now(), hide_for=SOON)
        assert not watch.event.is_set()
        await store.release("orders", taken.id, taken.pop_receipt, now=clock.now())
        assert watch.take().names
        with pytest.raises(StorageError):
            await store.release("orders", taken.id, taken.pop_receipt, now=clock.now())
        assert not watch.event.is_set()
