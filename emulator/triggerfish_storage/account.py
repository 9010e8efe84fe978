"""An open data folder, and the stores of the accounts in it.

All accounts share the database, the contents and the clock; each has stores of its own, made when
it is first asked for. Opening and closing are ``server``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.clock import Clock
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.database import Database
from triggerfish_storage.ownership import Ownership
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.transfer.tally import Tally

T = TypeVar("T")


class _ByAccount(dict[str, T]):
    """One value for each account's name, made by ``make`` when it is first asked for."""

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, account: str) -> T:
        made = self[account] = self._make(account)
        return made


class StorageAccount:
    """An open data folder: the stores of its default account, and of any other by name.

    ``planted`` is what a seed brought in, and ``keeps_versions`` says whether writes leave
    versions of blobs behind; ``rehydrates_after`` is how long one takes to come out of the archive.
    ``due`` is set where upkeep has something to do, ``swept`` once no
    file of a crash is left.
    """

    def __init__(
        self,
        database: Database,
        contents: Contents,
        clock: Clock,
        ownership: Ownership,
        *,
        planted: Tally,
        keeps_versions: bool,
        rehydrates_after: timedelta,
    ) -> None:
        self.database = database
        self.contents = contents
        self.clock = clock
        self.ownership = ownership
        self.planted = planted
        self.keeps_versions = keeps_versions
        self.rehydrates_after = rehydrates_after
        self.due = asyncio.Event()
        self.swept = asyncio.Event()
        self._changes = _ByAccount(lambda _: Changes())
        self._queues = _ByAccount(self._open_queues)
        self._blobs = _ByAccount(self._open_blobs)
        self._tables = _ByAccount(self._open_tables)

    @property
    def changes(self) -> Changes:
        return self.changes_of(DEFAULT_ACCOUNT)

    @property
    def queues(self) -> QueueStore:
        return self.queues_of(DEFAULT_ACCOUNT)

    @property
    def blobs(self) -> BlobStore:
        return self.blobs_of(DEFAULT_ACCOUNT)

    @property
    def tables(self) -> TableStore:
        return self.tables_of(DEFAULT_ACCOUNT)

    def changes_of(self, account: str) -> Changes:
        return self._changes[account]

    def queues_of(self, account: str) -> QueueStore:
        return self._queues[account]

    def blobs_of(self, account: str) -> BlobStore:
        return self._blobs[account]

    def tables_of(self, account: str) -> TableStore:
        return self._tables[account]

    def everything_changed(self) -> None:
        """Wake whoever watches anything, and upkeep."""
        for changes in self._changes.values():
            changes.announce_all()
        self.due.set()

    def _open_queues(self, account: str) -> QueueStore:
        return QueueStore(self.database, self._changes[account], account=account, due=self.due)

    def _open_blobs(self, account: str) -> BlobStore:
        return BlobStore(
            self.database,
            self.contents,
            self._changes[account],
            account=account,
            due=self.due,
            keeps_versions=self.keeps_versions,
            rehydrates_after=self.rehydrates_after,
        )

    def _open_tables(self, account: str) -> TableStore:
        return TableStore(self.database, self._changes[account], account=account, due=self.due)
