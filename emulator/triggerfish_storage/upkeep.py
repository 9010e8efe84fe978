"""What an open account does by itself: expired and discarded rows go, and files of a crash.

A little at a time, so that nobody waits for it. It is done again when a store says that something
is due, when the next message expires, and every hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.database import DatabaseError
from triggerfish_storage.queues.upkeep import next_queue_upkeep, queue_upkeep
from triggerfish_storage.tables.upkeep import table_upkeep
from triggerfish_storage.threads import on_thread
from triggerfish_storage.transfer import scratch

EVERY: Final = timedelta(hours=1)
SOONEST: Final = timedelta(milliseconds=100)
RETRY_AFTER: Final = timedelta(minutes=1)
TURNS_FOR_OTHERS: Final = 20  # of the event loop, behind each step

_log = logging.getLogger("triggerfish_storage")


@asynccontextmanager
async def kept_up(account: StorageAccount, left: Sequence[str]) -> AsyncIterator[None]:
    """Keep ``account`` up for the block.

    ``left`` are the names of the files of contents that were there before anything was written:
    those that no row names go first, and scratch folders that nobody is in.
    """
    task = asyncio.create_task(_keep_up(account, left), name="storage upkeep")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _keep_up(account: StorageAccount, left: Sequence[str]) -> None:
    await _sweep(account, left)
    while True:
        account.due.clear()
        try:
            while await _do_some(account):
                for _ in range(TURNS_FOR_OTHERS):
                    await asyncio.sleep(0)
            pause = _pause(account)
        except DatabaseError as error:
            _log.error("upkeep failed, tried again in a minute: %s", error)
            pause = RETRY_AFTER
        except Exception:
            _log.exception("upkeep failed, tried again in a minute")
            pause = RETRY_AFTER
        await account.clock.wait(account.due, within=pause.total_seconds())


async def _sweep(account: StorageAccount, left: Sequence[str]) -> None:
    try:
        await account.contents.sweep(account.database, left)
        folder = account.database.path.parent
        if scratch.is_any(folder):  # seldom: most starts need no thread for it
            await on_thread(partial(scratch.sweep, folder))
    except Exception as error:  # the rest of upkeep is not to be lost over it
        _log.error("files that a crash left behind stay until the next start: %s", error)
    else:
        account.swept.set()


async def _do_some(account: StorageAccount) -> bool:
    """Do a bounded step of what is due; return whether there may be more."""
    now = account.clock.now()
    more = await queue_upkeep(account.database, now)
    more = await table_upkeep(account.database) or more
    return await account.blobs.upkeep(now) or more


def _pause(account: StorageAccount) -> timedelta:
    soonest = account.database.look(next_queue_upkeep)
    if soonest is None:
        return EVERY
    return min(max(soonest - account.clock.now(), SOONEST), EVERY)
