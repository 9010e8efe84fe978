"""The Queue service of one account, in process: each method is one unit of work.

What a method writes is committed when it returns; only then is it announced, so that whoever
is woken sees it. The rules and the SQL are in ``directory`` and ``rows``; a host that needs
several of them in one unit composes those and calls ``announce`` afterwards.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from triggerfish_storage.changes import Change, Changes
from triggerfish_storage.database import Database
from triggerfish_storage.queues import directory, receipts, rows
from triggerfish_storage.queues.directory import Queue
from triggerfish_storage.queues.rows import LIFE, Message
from triggerfish_storage.service_properties import ServiceProperties

NOW: Final = timedelta()


class QueueStore:
    """Queues and messages of ``account``."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        *,
        account: str = "devstoreaccount1",
        due: asyncio.Event | None = None,
    ) -> None:
        self.account = account
        self.service_properties = ServiceProperties(database, account, "queue")
        self._database = database
        self._changes = changes
        self._due = due or asyncio.Event()  # set where upkeep has rows to remove

    # --- queues -------------------------------------------------------------------------------

    async def create(self, queue: str, metadata: Mapping[str, str] | None = None) -> bool:
        """Create a queue; False where it exists with the same metadata."""

        def unit(tx: sqlite3.Connection) -> bool:
            return directory.create(tx, self.account, queue, metadata)

        created = await self._database.write(unit)
        self.announce(queue)
        return created

    async def delete_queue(self, queue: str) -> None:
        """Delete a queue with all its messages."""
        await self._database.write(lambda tx: directory.delete(tx, self.account, queue))
        self._due.set()

    async def clear(self, queue: str) -> None:
        """Delete all messages of a queue."""
        await self._database.write(lambda tx: directory.clear(tx, self.account, queue))
        self._due.set()

    def exists(self, queue: str) -> bool:
        return self._database.look(lambda tx: directory.exists(tx, self.account, queue))

    def metadata(self, queue: str) -> dict[str, str]:
        """Return a queue's metadata; raises QueueNotFound."""
        return self._database.look(lambda tx: directory.metadata(tx, self.account, queue))

    async def set_metadata(self, queue: str, metadata: Mapping[str, str]) -> None:
        """Replace all metadata of a queue."""

        def unit(tx: sqlite3.Connection) -> None:
            directory.set_metadata(tx, self.account, queue, metadata)

        await self._database.write(unit)

    def policies(self, queue: str) -> str:
        """Return the stored access policies as a text; raises QueueNotFound."""
        return self._database.look(lambda tx: directory.policies(tx, self.account, queue))

    async def set_policies(self, queue: str, policies: str) -> None:
        """Replace the stored access policies, kept as the text that ``policies`` returns."""

        def unit(tx: sqlite3.Connection) -> None:
            directory.set_policies(tx, self.account, queue, policies)

        await self._database.write(unit)

    def count(self, queue: str, *, now: datetime) -> int:
        """Return the number of messages of a queue, hidden ones too."""
        return self._database.look(lambda tx: directory.count(tx, self.account, queue, now=now))

    async def listing(
        self, *, prefix: str = "", marker: str = "", limit: int = 5000
    ) -> tuple[Sequence[Queue], str]:
        """Return up to ``limit`` queues by name from ``marker`` on, and the next marker."""
        return await self._database.read(
            lambda tx: directory.listing(
                tx, self.account, prefix=prefix, marker=marker, limit=limit
            )
        )

    # --- messages -----------------------------------------------------------------------------

    async def put(
        self,
        queue: str,
        text: str,
        *,
        now: datetime,
        after: timedelta = NOW,
        life: timedelta | None = LIFE,
    ) -> Message:
        """Add a message, visible ``after``; a ``life`` of None never ends."""

        def unit(tx: sqlite3.Connection) -> Message:
            return rows.put(tx, self.account, queue, text, now=now, after=after, life=life)

        message = await self._database.write(unit)
        self.announce(queue)
        return message

    async def take(
        self, queue: str, *, count: int, now: datetime, hide_for: timedelta, held: bool = False
    ) -> list[Message]:
        """Hide up to ``count`` visible messages and give them to this caller alone.

        ``held``: the caller lives in this process, see ``rows.take``.
        """

        def unit(tx: sqlite3.Connection) -> list[Message]:
            return rows.take(
                tx, self.account, queue, count=count, now=now, hide_for=hide_for, held=held
            )

        return await self._database.write(unit)

    def peek(self, queue: str, *, count: int, now: datetime) -> list[Message]:
        """Return up to ``count`` visible messages and change nothing."""
        return self._database.look(
            lambda tx: rows.peek(tx, self.account, queue, count=count, now=now)
        )

    async def update(
        self,
        queue: str,
        message_id: str,
        pop_receipt: str,
        *,
        now: datetime,
        hide_for: timedelta,
        text: str | None = None,
    ) -> tuple[str, datetime]:
        """Hide a message anew and perhaps change its text; return receipt and time it shows."""

        def unit(tx: sqlite3.Connection) -> tuple[str, datetime]:
            return receipts.update(
                tx,
                self.account,
                queue,
                message_id,
                pop_receipt,
                now=now,
                hide_for=hide_for,
                text=text,
            )

        updated = await self._database.write(unit)
        self.announce(queue)
        return updated

    async def release(
        self,
        queue: str,
        message_id: str,
        pop_receipt: str,
        *,
        now: datetime,
        after: timedelta = NOW,
    ) -> None:
        """Give a taken message back, visible ``after``."""

        def unit(tx: sqlite3.Connection) -> None:
            receipts.release(tx, self.account, queue, message_id, pop_receipt, now=now, after=after)

        await self._database.write(unit)
        self.announce(queue)

    async def delete(self, queue: str, message_id: str, pop_receipt: str, *, now: datetime) -> None:
        """Remove a message for good."""

        def unit(tx: sqlite3.Connection) -> None:
            receipts.delete(tx, self.account, queue, message_id, pop_receipt, now=now)

        await self._database.write(unit)

    async def release_orphans(self, *, now: datetime) -> int:
        """Give back what a dead process held, see ``rows.release_orphans``; at opening only."""
        return await self._database.write(lambda tx: rows.release_orphans(tx, now=now))

    def next_visible(self, queue: str, *, now: datetime) -> datetime | None:
        """Return when the next hidden message shows; None where none is hidden."""
        return self._database.look(lambda tx: rows.next_visible(tx, self.account, queue, now=now))

    def announce(self, queue: str) -> None:
        """Tell who watches ``queue`` that messages were added or released."""
        self._changes.announce(Change("queue", queue))
