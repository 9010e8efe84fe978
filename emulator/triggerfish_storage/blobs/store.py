"""The Blob service of one account, in process: each method is one unit of work.

The rules and the SQL are in the modules beside this one, as functions over an open
transaction. A caller that needs several of them in one unit makes contents ready first
(``prepare``), composes the rules inside ``Database.write``, and calls ``committed`` behind it.
``write``, ``look`` and ``read`` run any rule; the other methods are those most callers need.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import uuid4

from triggerfish_storage.blobs import blocks, containers, deletion, leases, leasing, lifecycle
from triggerfish_storage.blobs.archive import as_of, check_online
from triggerfish_storage.blobs.conditions import check_read
from triggerfish_storage.blobs.encryption import check_key
from triggerfish_storage.blobs.extents import PRELOAD_LIMIT_BYTES, find_parts
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.listing import Listing, Page, list_blobs
from triggerfish_storage.blobs.model import (
    CURRENT,
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    Container,
    DefaultScope,
    Draft,
    Lease,
)
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange
from triggerfish_storage.blobs.rows import find_blob, get_blob, read_blob
from triggerfish_storage.changes import Change, Changes
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.contents import Content, Part
from triggerfish_storage.database import Database, DatabaseError
from triggerfish_storage.disposal import Hold
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import TakesLong
from triggerfish_storage.service_properties import ServiceProperties

T = TypeVar("T")
Rule = Callable[[sqlite3.Connection], T]

NO_DRAFT: Final = Draft()


class Download(NamedTuple):
    """A blob and some of its bytes, from ``begin`` up to ``end``; ``body`` can be read once."""

    blob: Blob
    begin: int
    end: int
    body: bytes | AsyncIterator[bytes]

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the bytes in pieces."""
        if isinstance(self.body, bytes):
            yield self.body
            return
        async for piece in self.body:
            yield piece

    async def read(self) -> bytes:
        """Return the bytes in one piece."""
        if isinstance(self.body, bytes):
            return self.body
        return b"".join([piece async for piece in self.body])


class BlobStore:
    """Containers and blobs of ``account``."""

    def __init__(
        self,
        database: Database,
        contents: Contents,
        changes: Changes,
        *,
        account: str = "devstoreaccount1",
        due: asyncio.Event | None = None,
        keeps_versions: bool = False,
        rehydrates_after: timedelta = timedelta(),
    ) -> None:
        self.account = account
        self.service_properties = ServiceProperties(database, account, "blob")
        self.keeps_versions = keeps_versions  # as ``versions.turn`` was told
        self.rehydrates_after = rehydrates_after  # from the archive
        self.contents = contents
        self._database = database
        self._changes = changes
        self._due = due or asyncio.Event()  # set where upkeep has blobs or files to take away
        self._looked_at = blocks.BEFORE_ALL  # of staged blocks that are old

    def at(self, container: str, blob: str = "", snapshot: int = CURRENT) -> Address:
        """Return the address of a container, blob or snapshot of this account."""
        return Address(self.account, container, blob, snapshot)

    # --- any rule -----------------------------------------------------------------------------

    async def write(
        self, rule: Rule[T], *, changed: Address | None = None, content: Content | None = None
    ) -> T:
        """Run a rule as one unit of work, then announce what it ``changed``.

        ``content`` is what the rule names; where it refuses, that is deleted. (Where the caller
        is cancelled it may have been committed: then the next start's sweep decides.)
        """
        try:
            result = await self._database.write(rule)
        except (StorageError, DatabaseError):
            if content is not None:
                await self.contents.abandon(content)
            raise
        if changed is not None:
            self._changes.announce(Change("blob", changed.container, changed.blob))
        await self._collect()
        return result

    def look(self, rule: Rule[T]) -> T:
        """Run a rule that reads a few rows by index, here and now and in one view."""
        return self._database.look(rule)

    async def read(self, rule: Rule[T]) -> T:
        """Run a rule that reads many rows, on a reading thread."""
        return await self._database.read(rule)

    async def committed(self, *addresses: Address) -> None:
        """Announce what a unit of work changed, and delete the files it left without use."""
        for address in addresses:
            self._changes.announce(Change("blob", address.container, address.blob))
        await self._collect()

    async def _collect(self) -> None:
        if await self.contents.collect(self._database):
            self._due.set()

    # --- containers ---------------------------------------------------------------------------

    async def create_container(
        self,
        container: str,
        *,
        now: datetime,
        metadata: Mapping[str, str] | None = None,
        public_access: str = "",
        default_scope: DefaultScope | None = None,
    ) -> Container:
        """Create a container; raises ContainerAlreadyExists."""
        address = self.at(container)
        return await self.write(
            lambda tx: containers.create_container(
                tx,
                address,
                now=now,
                metadata=metadata,
                public_access=public_access,
                default_scope=default_scope,
            ),
            changed=address,
        )

    async def delete_container(
        self, container: str, *, conditions: Conditions = NO_CONDITIONS, now: datetime
    ) -> None:
        """Delete a container with all it holds, which ``upkeep`` purges."""
        address = self.at(container)
        await self.write(
            lambda tx: containers.delete_container(tx, address, conditions=conditions, now=now),
            changed=address,
        )
        self._due.set()

    # --- blobs --------------------------------------------------------------------------------

    async def prepare(
        self, content: bytes | AsyncIterable[bytes], *, limit: int = 2**63
    ) -> Content:
        """Make bytes ready for a unit of work that names them."""
        if isinstance(content, bytes):
            return await self.contents.keep(content)
        return await self.contents.receive(content, limit=limit)

    async def put(
        self,
        container: str,
        blob: str,
        content: bytes,
        draft: Draft = NO_DRAFT,
        *,
        conditions: Conditions = NO_CONDITIONS,
        now: datetime,
    ) -> Blob:
        """Create or replace a block blob."""
        address = self.at(container, blob)
        prepared = await self.prepare(content)
        return await self.write(
            lambda tx: lifecycle.put_blob(
                tx, address, prepared, draft, conditions=conditions, now=now
            ),
            changed=address,
            content=prepared,
        )

    def properties(
        self,
        address: Address,
        *,
        conditions: Conditions = NO_CONDITIONS,
        key_sha256: str = "",
        now: datetime,
    ) -> Blob:
        """Return a blob's properties; raises BlobNotFound, or what the conditions say.

        ``key_sha256`` is of the key that the blob is encrypted with, where that is a customer's.
        """
        blob = as_of(self._database.look(lambda tx: get_blob(tx, address)), now)
        check_read(blob, conditions, now)
        check_key(blob, key_sha256)
        return blob

    def find(self, container: str, blob: str) -> Blob | None:
        """Return a blob's properties, None where it is missing; raises ContainerNotFound."""
        address = self.at(container, blob)
        return self._database.look(lambda tx: find_blob(tx, address))

    async def open(
        self,
        address: Address,
        *,
        wanted: ByteRange = WHOLE,
        conditions: Conditions = NO_CONDITIONS,
        key_sha256: str = "",
        now: datetime,
    ) -> Download:
        """Begin to read a blob; what is overwritten or deleted meanwhile is read to its end."""

        def unit(tx: sqlite3.Connection) -> tuple[Download, Sequence[Part]]:
            blob, data = read_blob(tx, address)
            check_read(blob, conditions, now)
            check_key(blob, key_sha256)
            check_ordinary(blob)
            blob = as_of(blob, now)
            check_online(blob, now)
            begin, end = wanted.within(blob.length)
            if data is not None:
                return Download(blob, begin, end, data[begin:end]), ()
            parts = find_parts(tx, blob.id, begin, end)
            if end - begin <= PRELOAD_LIMIT_BYTES and all(part.file is None for part in parts):
                return Download(blob, begin, end, b"".join(part.loaded() for part in parts)), ()
            return Download(blob, begin, end, b""), parts

        hold: Hold | None = None
        try:
            found, parts = self._database.look(unit)
        except TakesLong:
            hold = self.contents.hold()  # before others can take the files away
            found, parts = await self._database.read(unit)
        if not parts:
            return found
        body = self.contents.read(parts, hold or self.contents.hold(), self._database)
        return found._replace(body=body)

    async def get(self, container: str, blob: str, *, now: datetime) -> tuple[Blob, bytes]:
        """Return a blob with all its bytes; raises BlobNotFound."""
        download = await self.open(self.at(container, blob), now=now)
        return download.blob, await download.read()

    async def set_metadata(
        self,
        container: str,
        blob: str,
        metadata: Mapping[str, str],
        *,
        conditions: Conditions = NO_CONDITIONS,
        now: datetime,
    ) -> Blob:
        """Replace a blob's metadata."""
        address = self.at(container, blob)
        return await self.write(
            lambda tx: lifecycle.change_blob(
                tx, address, conditions=conditions, now=now, metadata=metadata
            ),
            changed=address,
        )

    async def delete(
        self,
        container: str,
        blob: str,
        *,
        snapshots: deletion.DeleteSnapshots = "",
        conditions: Conditions = NO_CONDITIONS,
        now: datetime,
    ) -> None:
        """Delete a blob; raises BlobNotFound or SnapshotsPresent."""
        address = self.at(container, blob)
        await self.write(
            lambda tx: deletion.delete_blob(
                tx, address, snapshots=snapshots, conditions=conditions, now=now
            ),
            changed=address,
        )

    async def page(self, container: str, listing: Listing) -> Page:
        """Return a page of blobs; raises ContainerNotFound."""
        address = self.at(container)
        return await self.read(lambda tx: list_blobs(tx, address, listing))

    # --- leases of blobs ----------------------------------------------------------------------

    async def acquire_lease(
        self, container: str, blob: str, *, seconds: int, lease_id: str = "", now: datetime
    ) -> str:
        """Lease a blob for 15 to 60 seconds, or -1 for ever; return the lease's id."""
        held = lease_id or str(uuid4())
        await self._lease(container, blob, lambda old: leases.acquire(old, held, seconds, now))
        return held

    async def renew_lease(self, container: str, blob: str, lease_id: str, *, now: datetime) -> None:
        """Let a lease last for its full length again."""
        await self._lease(container, blob, lambda old: leases.renew(old, lease_id, now))

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        """Give a lease up."""
        await self._lease(container, blob, lambda old: leases.release(old, lease_id))

    async def _lease(
        self, container: str, blob: str, action: Callable[[Lease | None], Lease | None]
    ) -> None:
        address = self.at(container, blob)
        await self._database.write(lambda tx: leasing.lease_resource(tx, address, action))

    # --- what happens by itself ---------------------------------------------------------------

    async def upkeep(self, now: datetime) -> bool:
        """Do one bounded step of what is due (purging, expiry); return whether more may be."""
        done = False
        if self._database.look(lambda tx: _is_due(tx, now)):
            done = await self._database.write(
                lambda tx: containers.purge_some(tx) or deletion.purge_expired(tx, now)
            )
        if self._database.look(lambda tx: blocks.has_old_blocks(tx, now)):
            done = await self._discard_old_blocks(now) or done
        return await self.contents.collect(self._database) or done

    async def _discard_old_blocks(self, now: datetime) -> bool:
        """Go on looking for blocks that nobody commits any more; False at their end."""
        behind = self._looked_at
        names, following = await self._database.read(lambda tx: blocks.old_blocks(tx, behind, now))
        if names and not await self._database.write(
            lambda tx: blocks.discard_old_blocks(tx, names, now)
        ):
            return True
        self._looked_at = following or blocks.BEFORE_ALL
        return following is not None


def _is_due(tx: sqlite3.Connection, now: datetime) -> bool:
    return containers.has_deleted(tx) or deletion.has_expired(tx, now)
