"""What a host in the same process relies on: composition, holds, listeners, and what it costs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from triggerfish_storage.changes import Changes
from triggerfish_storage.database import Database
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT as ACCOUNT
from triggerfish_storage.queues import directory, expiry, rows
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.queues.upkeep import next_queue_upkeep, queue_upkeep
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock

SOON = timedelta(seconds=30)


@pytest.fixture
def store(database: Database, changes: Changes) -> QueueStore:
    return QueueStore(database, changes)


# --- units of work ----------------------------------------------------------------------------


async def test_effects_composed_in_one_unit_happen_together_or_not_at_all(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    await store.put("orders", "one", now=clock.now())
    [taken] = await store.take("orders", count=1, now=clock.now(), hide_for=SOON)

    def unit(tx: sqlite3.Connection) -> None:
        directory.ensure(tx, ACCOUNT, "invoices")
        rows.put(tx, ACCOUNT, "invoices", "made", now=clock.now())
        rows.delete(tx, ACCOUNT, "orders", taken.id, taken.pop_receipt, now=clock.now())

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


# --- holds ------------------------------------------------------------------------------------


async def test_what_a_dead_host_held_comes_back_at_once_and_uncounted(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with open_account(tmp_path, clock=clock) as account:
        queues = account.queues
        await queues.create("orders")
        for text in ("held", "remote", "finished", "released"):
            await queues.put("orders", text, now=clock.now())
        hour = timedelta(hours=1)
        [held] = await queues.take("orders", count=1, now=clock.now(), hide_for=hour, held=True)
        await queues.take("orders", count=1, now=clock.now(), hide_for=hour)
        done, back = await queues.take("orders", count=2, now=clock.now(), hide_for=hour, held=True)
        await queues.update("orders", held.id, held.pop_receipt, now=clock.now(), hide_for=hour)
        await queues.delete("orders", done.id, done.pop_receipt, now=clock.now())
        await queues.release("orders", back.id, back.pop_receipt, now=clock.now(), after=hour)

    async with open_account(tmp_path, clock=clock) as account:
        seen = account.queues.peek("orders", count=32, now=clock.now())
        assert [(message.text, message.dequeue_count) for message in seen] == [("held", 0)]
        with pytest.raises(StorageError, match="PopReceiptMismatch"):
            await account.queues.delete("orders", held.id, held.pop_receipt, now=clock.now())

        await clock.advance(hours=1)
        seen = account.queues.peek("orders", count=32, now=clock.now())
        counts = {message.text: message.dequeue_count for message in seen}
        assert counts == {"held": 0, "remote": 1, "released": 1}


async def test_a_message_that_somebody_else_took_since_is_no_orphan(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    await store.put("orders", "one", now=clock.now())
    await store.take("orders", count=1, now=clock.now(), hide_for=SOON, held=True)
    await clock.advance(minutes=1)
    await store.take("orders", count=1, now=clock.now(), hide_for=SOON)

    assert await store.release_orphans(now=clock.now()) == 0


# --- listeners --------------------------------------------------------------------------------


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


# --- many at once -----------------------------------------------------------------------------


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
        if not rows.delete_all(tx, ACCOUNT, "orders", messages, now=clock.now()):
            raise LookupError

    with pytest.raises(LookupError):
        await database.write(lambda tx: delete(tx, [*ours[:2], (ours[2][0], "0" * 16)]))
    assert store.count("orders", now=clock.now()) == 3

    await database.write(lambda tx: delete(tx, ours))
    assert store.count("orders", now=clock.now()) == 0 == database.look(_count_rows)


@pytest.mark.parametrize("id_", ["f" * 36, "ffffffff-ffff-ffff-ffff-ffffffffffff", "", "é" * 36])
async def test_an_id_that_no_message_can_have_is_not_found(
    store: QueueStore, clock: ManualClock, id_: str
) -> None:
    await store.create("orders")

    with pytest.raises(StorageError, match="MessageNotFound"):
        await store.delete("orders", id_, "f" * 16, now=clock.now())


# --- texts ------------------------------------------------------------------------------------


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


# --- upkeep -----------------------------------------------------------------------------------


async def test_rows_of_cleared_deleted_and_expired_messages_go_in_small_units(
    database: Database, store: QueueStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "DISCARD_CHUNK", 10)
    monkeypatch.setattr(expiry, "PURGE_CHUNK", 10)
    for queue in ("cleared", "deleted", "expired", "kept"):
        await store.create(queue)
        life = timedelta(seconds=5) if queue == "expired" else rows.LIFE
        await asyncio.gather(
            *(store.put(queue, str(n), now=clock.now(), life=life) for n in range(25))
        )
    await store.clear("cleared")
    await store.delete_queue("deleted")
    await clock.advance(seconds=5)

    left = []
    while await queue_upkeep(database, clock.now()):
        left.append(database.look(_count_rows))

    assert left[-1] == 25
    assert max(before - after for before, after in zip([100, *left], left, strict=False)) == 10
    assert store.count("kept", now=clock.now()) == 25
    assert store.count("expired", now=clock.now()) == 0
    assert database.look(next_queue_upkeep) == clock.now() + rows.LIFE - timedelta(seconds=5)


async def test_discarded_rows_are_removed_after_a_restart_too(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with open_account(tmp_path, clock=clock) as account:
        await account.queues.create("orders")
        await account.queues.put("orders", "one", now=clock.now())
        await account.database.write(lambda tx: directory.clear(tx, ACCOUNT, "orders"))

    async with open_account(tmp_path, clock=clock) as account:
        await clock.settle()

        assert account.database.look(_count_rows) == 0


async def test_the_count_of_a_queue_is_that_of_its_rows_whatever_happened(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    for number in range(20):
        life = timedelta(seconds=1 + number % 3)
        await store.put("orders", str(number), now=clock.now(), life=life)
    for message in await store.take("orders", count=5, now=clock.now(), hide_for=SOON):
        await store.delete("orders", message.id, message.pop_receipt, now=clock.now())
    await clock.advance(seconds=2)

    before = store.count("orders", now=clock.now())
    while await queue_upkeep(database, clock.now()):
        pass

    assert before == store.count("orders", now=clock.now()) == database.look(_count_rows) == 5


# --- cost -------------------------------------------------------------------------------------

_NAMES = {"account": ACCOUNT, "queue": "orders", "name": "orders"}
_VALUES: Mapping[str, Any] = dict.fromkeys(
    (
        *("now", "until", "receipt", "held", "count", "seq", "secret", "given", "visible_at"),
        *("text", "backlog_id", "first", "beyond", "more"),
    ),
    1,
)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (rows.COUNTED, "SEARCH backlog USING INTEGER PRIMARY KEY"),
        (
            rows.VISIBLE,
            "SEARCH message USING INDEX message_visible (backlog_id=? AND visible_at<?)",
        ),
        (rows.HIDE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (rows.UPDATE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (rows.DELETE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (rows.FIND, "SEARCH message USING INTEGER PRIMARY KEY"),
        (
            rows.NEXT_VISIBLE,
            "SEARCH message USING INDEX message_visible (backlog_id=? AND visible_at>?)",
        ),
        (rows.RELEASE_ORPHANS, "SEARCH message USING INDEX message_held"),
        (expiry.EXPIRED, "SEARCH message USING INDEX message_expiry (expires_at<?)"),
        (expiry.NEXT_EXPIRY, "SEARCH message USING COVERING INDEX message_expiry"),
        (directory.COUNT, "SEARCH backlog USING INTEGER PRIMARY KEY"),
        (directory.DISCARDED, "SCAN backlog USING INDEX backlog_discarded"),
        (
            directory.REMOVE_DISCARDED,
            "SEARCH message USING COVERING INDEX message_visible (backlog_id=?)",
        ),
        (
            directory.FIND,
            "SEARCH queue USING INDEX sqlite_autoindex_queue_1 (account=? AND name=?)",
        ),
        (
            directory.LIST,
            "SEARCH queue USING INDEX sqlite_autoindex_queue_1 (account=? AND name>? AND name<?)",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else None,
)
async def test_every_statement_finds_its_rows_by_index(
    database: Database, statement: str, index: str
) -> None:
    def explain(tx: sqlite3.Connection) -> list[str]:
        values = {**_VALUES, **_NAMES}
        return [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    plan = database.look(explain)

    assert any(step.startswith(index) for step in plan), plan


def _steps(database: Database, unit: Callable[[sqlite3.Connection], object]) -> int:
    """Return about how many instructions SQLite needs for ``unit``, in tens."""
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    database._writer.set_progress_handler(tick, 10)
    try:
        unit(database._writer)
    finally:
        database._writer.set_progress_handler(None, 0)
    return ticks


async def test_cost_does_not_grow_with_the_depth_of_a_queue(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    now = clock.now()
    await store.create("orders")
    await store.put("orders", "one", now=now)

    def measure() -> dict[str, int]:
        put = rows.put(database._writer, ACCOUNT, "orders", "x", now=now)
        return {
            "put": _steps(database, lambda tx: rows.put(tx, ACCOUNT, "orders", "x", now=now)),
            "peek": _steps(database, lambda tx: rows.peek(tx, ACCOUNT, "orders", count=1, now=now)),
            "count": _steps(database, lambda tx: directory.count(tx, ACCOUNT, "orders", now=now)),
            "take": _steps(
                database,
                lambda tx: rows.take(tx, ACCOUNT, "orders", count=1, now=now, hide_for=SOON),
            ),
            "update": _steps(
                database,
                lambda tx: rows.update(
                    tx, ACCOUNT, "orders", put.id, put.pop_receipt, now=now, hide_for=SOON
                ),
            ),
            "next": _steps(database, lambda tx: rows.next_visible(tx, ACCOUNT, "orders", now=now)),
        }

    shallow = measure()
    await database.write(
        lambda tx: [rows.put(tx, ACCOUNT, "orders", "x", now=now) for _ in range(5000)]
    )
    deep = measure()

    assert deep == pytest.approx(shallow, abs=3)
    assert _steps(database, lambda tx: directory.clear(tx, ACCOUNT, "orders")) < 30


async def test_expired_messages_in_front_hold_up_no_taker(
    database: Database, store: QueueStore, clock: ManualClock
) -> None:
    await store.create("orders")
    begun = clock.now()
    life = timedelta(seconds=1)

    def fill(tx: sqlite3.Connection) -> None:
        for _ in range(20_000):
            rows.put(tx, ACCOUNT, "orders", "expired", now=begun, life=life)
        for _ in range(3):
            rows.put(tx, ACCOUNT, "orders", "fresh", now=begun + 2 * life)

    await database.write(fill)
    now = begun + 3 * life

    def take(tx: sqlite3.Connection) -> list[str]:
        return [m.text for m in rows.take(tx, ACCOUNT, "orders", count=3, now=now, hide_for=SOON)]

    texts: list[str] = []
    costs = []
    while not texts:
        costs.append(_steps(database, lambda tx: texts.extend(take(tx))))

    assert texts == ["fresh"] * 3
    assert len(costs) > 10
    assert max(costs) < 2 * min(costs)
    while await queue_upkeep(database, now):
        pass
    assert store.count("orders", now=now) == 3


def _count_rows(tx: sqlite3.Connection) -> int:
    (found,) = tx.execute("SELECT count(*) FROM message").fetchone()
    return int(found)
