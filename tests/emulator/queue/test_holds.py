"""Messages that a host held when it died come back at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from triggerfish_storage.database import Database
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock

SOON = timedelta(seconds=30)


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
