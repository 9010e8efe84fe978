"""Rows that nobody needs go, a few at a time, and are not counted before they go."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from triggerfish_storage import haste
from triggerfish_storage.database import Database
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT as ACCOUNT
from triggerfish_storage.queues import directory, expiry, rows
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.queues.upkeep import next_queue_upkeep, queue_upkeep
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock

SOON = timedelta(seconds=30)


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


async def test_long_messages_go_fewer_at_a_time(
    database: Database, store: QueueStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haste, "SIZE_LIMIT", 500)
    for queue in ("cleared", "expired", "taken"):
        await store.create(queue)
        for _ in range(20):
            await store.put(queue, "x" * 100, now=clock.now(), life=timedelta(seconds=5))
    await store.clear("cleared")
    await clock.advance(seconds=5)

    left = [database.look(_count_rows)]
    await store.take("taken", count=1, now=clock.now(), hide_for=SOON)
    left.append(database.look(_count_rows))
    while await queue_upkeep(database, clock.now()):
        left.append(database.look(_count_rows))

    assert max(before - after for before, after in pairwise(left)) == 5
    assert left[-1] == 0


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


def _count_rows(tx: sqlite3.Connection) -> int:
    (found,) = tx.execute("SELECT count(*) FROM message").fetchone()
    return int(found)
