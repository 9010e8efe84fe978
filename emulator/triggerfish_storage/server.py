"""Opening an account's data folder, and serving it over HTTP.

``open_account`` gives the stores to whoever lives in this process; ``serve`` puts the same
stores behind the three ports. Owns the order of things: the folder is owned before it is
touched, what a crash left is mended before anybody is served, and what happens by itself
(expiry, removal of discarded rows) runs until the end.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import access, versions
from triggerfish_storage.blobs import operations as blob_operations
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.clock import Clock, SystemClock
from triggerfish_storage.contents import Contents
from triggerfish_storage.data_folder import CONTENTS_FOLDER, DATABASE_FILE, migrations
from triggerfish_storage.database import Database, DatabaseError, Durability, open_database
from triggerfish_storage.fingerprints import fingerprint
from triggerfish_storage.ownership import Ownership, own
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, Accounts
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.http import Endpoint, serve_endpoint
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.queues import operations as queue_operations
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.queues.upkeep import next_queue_upkeep, queue_upkeep
from triggerfish_storage.tables import misaddressed
from triggerfish_storage.tables import operations as table_operations
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.tables.upkeep import table_upkeep
from triggerfish_storage.transfer.handover import attending
from triggerfish_storage.transfer.owner import Owner
from triggerfish_storage.transfer.seeding import Seed, plant
from triggerfish_storage.transfer.tally import Tally

UPKEEP_EVERY: Final = timedelta(hours=1)
TURNS_FOR_OTHERS: Final = 20  # of the event loop, behind each step of upkeep
RETRY_UPKEEP_AFTER: Final = timedelta(minutes=1)

_log = logging.getLogger("triggerfish_storage")


class PortTaken(Exception):  # noqa: N818 - a state, and the message says what to do
    """A port cannot be listened on."""

    def __init__(self, service: str, address: str, port: int, reason: str) -> None:
        super().__init__(
            f"Port {port} on {address} cannot be used for the {service} service: {reason}. "
            f"Stop what listens there, or choose another with --{service}-port."
        )
        self.service = service
        self.port = port


@dataclass(slots=True)
class StorageAccount:
    """An open data folder: the stores of its default account, and of any other by name."""

    database: Database
    contents: Contents
    clock: Clock
    ownership: Ownership
    planted: Tally = field(default_factory=Tally)  # by the seed
    keeps_versions: bool = False  # of blobs
    due: asyncio.Event = field(default_factory=asyncio.Event)
    swept: asyncio.Event = field(default_factory=asyncio.Event)  # no file of a crash is left
    _changes: dict[str, Changes] = field(default_factory=dict)
    _queues: dict[str, QueueStore] = field(default_factory=dict)
    _blobs: dict[str, BlobStore] = field(default_factory=dict)
    _tables: dict[str, TableStore] = field(default_factory=dict)

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

    def properties_of(self, account: str, service: ServiceName) -> Mapping[str, str]:
        """Return what clients have set on a service, by name of the element."""
        return self.database.look(lambda tx: service_properties.load(tx, account, service))

    def changes_of(self, account: str) -> Changes:
        found = self._changes.get(account)
        if found is None:
            found = self._changes[account] = Changes()
        return found

    def queues_of(self, account: str) -> QueueStore:
        found = self._queues.get(account)
        if found is None:
            found = self._queues[account] = QueueStore(
                self.database, self.changes_of(account), account=account, due=self.due
            )
        return found

    def blobs_of(self, account: str) -> BlobStore:
        found = self._blobs.get(account)
        if found is None:
            found = self._blobs[account] = BlobStore(
                self.database,
                self.contents,
                self.changes_of(account),
                account=account,
                due=self.due,
                keeps_versions=self.keeps_versions,
            )
        return found

    def everything_changed(self) -> None:
        """Wake whoever watches anything, and upkeep."""
        for changes in self._changes.values():
            changes.announce_all()
        self.due.set()

    def tables_of(self, account: str) -> TableStore:
        found = self._tables.get(account)
        if found is None:
            found = self._tables[account] = TableStore(
                self.database, self.changes_of(account), account=account, due=self.due
            )
        return found


@asynccontextmanager
async def open_account(
    folder: Path | None,
    *,
    clock: Clock | None = None,
    durability: Durability = "process",
    seed: Seed | None = None,
    keeps_versions: bool = False,
) -> AsyncIterator[StorageAccount]:
    """Open the account kept in ``folder``, or with None one that is gone at the end.

    What the ``seed`` holds and the account does not is brought in first. With ``keeps_versions``
    each write to a blob leaves the one before behind, until it is opened without.

    Raises FolderOwned where another process has the folder, DatabaseError where it cannot be
    used, TransferError where the seed cannot be.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if folder is None:
            # In the file system, because memory of our own could not be paged out.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triggerfish-")))
        _hide_from_git(folder)
        ownership = stack.enter_context(own(folder, started=clock.now().isoformat()))
        planted = await _plant(folder, seed, clock, durability)
        database = await stack.enter_async_context(
            open_database(folder / DATABASE_FILE, migrations(), durability=durability)
        )
        contents = Contents(folder / CONTENTS_FOLDER, durability=durability)
        stack.callback(contents.close)
        account = StorageAccount(
            database, contents, clock, ownership, planted=planted, keeps_versions=keeps_versions
        )
        if keeps_versions != database.look(versions.keeps_versions):
            await database.write(lambda tx: versions.turn(tx, on=keeps_versions))
        left = await contents.present()
        await _mend(account)
        owner = Owner(folder, database, contents, clock.now, account.everything_changed)
        await stack.enter_async_context(attending(folder, owner.perform))
        upkeep = asyncio.create_task(_keep_up(account, left), name="storage upkeep")
        try:
            yield account
        finally:
            upkeep.cancel()
            await asyncio.wait([upkeep])


@asynccontextmanager
async def serve(
    account: StorageAccount,
    *,
    address: str = "127.0.0.1",
    ports: Mapping[ServiceName, int],
    addresses: Mapping[ServiceName, str] | None = None,
    accounts: Accounts | None = None,
    tls: ssl.SSLContext | None = None,
    accepts_bearer: bool = False,
) -> AsyncIterator[Mapping[ServiceName, int]]:
    """Serve the services named in ``ports`` (0 finds a free one); give the ports they have.

    ``addresses`` are those of services that do not listen on ``address``. At the end, no more
    requests are taken and those in work are finished.
    """
    accounts = accounts or Accounts()
    addresses = addresses or {}
    bound: dict[ServiceName, int] = {}
    async with AsyncExitStack() as stack:
        for name, port in ports.items():
            endpoint = Endpoint(
                services(account)[name], accounts, account.clock, accepts_bearer=accepts_bearer
            )
            host = addresses.get(name, address)
            try:
                bound[name] = await stack.enter_async_context(
                    serve_endpoint(endpoint, address=host, port=port, tls=tls)
                )
            except OSError as error:
                reason = error.strerror or str(error)
                if error.errno == errno.EADDRINUSE:
                    reason = "it is in use"
                raise PortTaken(name, host, port, reason) from error
        account.ownership.serves(
            address,
            {str(name): port for name, port in bound.items()},
            certificate=fingerprint(tls) if tls is not None else "",
        )
        yield bound


def services(account: StorageAccount) -> dict[ServiceName, Service[Any]]:
    """Return the services of an account, as the HTTP layer runs them."""
    queues: Service[QueueStore] = Service(
        "queue",
        queue_operations.OPERATIONS,
        account.queues_of,
        resource=lambda call: call.path.get("queue", ""),
        policies=queue_operations.stored_policies,
        properties=lambda name: account.properties_of(name, "queue"),
    )
    blobs: Service[BlobStore] = Service(
        "blob",
        blob_operations.OPERATIONS,
        account.blobs_of,
        resource=access.container_of,
        policies=access.stored_policies,
        public=access.is_public,
        properties=lambda name: account.properties_of(name, "blob"),
    )
    tables: Service[TableStore] = Service(
        "table",
        (*table_operations.OPERATIONS, *misaddressed.OPERATIONS),
        account.tables_of,
        resource=table_operations.table_of,
        policies=table_operations.stored_policies,
        properties=lambda name: account.properties_of(name, "table"),
        unknown=table_operations.UNKNOWN_PATH,
    )
    return {"blob": blobs, "queue": queues, "table": tables}


async def _plant(folder: Path, seed: Seed | None, clock: Clock, durability: Durability) -> Tally:
    """Bring the seed in; a cancelled caller waits for the thread, which nothing can end."""
    if seed is None:
        return Tally()
    planting = asyncio.ensure_future(
        asyncio.to_thread(plant, folder, seed, now=clock.now(), durability=durability)
    )
    try:
        return await asyncio.shield(planting)
    except asyncio.CancelledError:
        await asyncio.wait([planting])
        raise


async def _mend(account: StorageAccount) -> None:
    """Put right what a crash left behind, but for files that no row names: upkeep has time.

    Where the disk is full that must wait, but what is stored can be read: files are removed
    by name again later, and messages that were held come back with their visibility timeout.
    """
    try:
        await account.contents.collect(account.database)
        await account.queues.release_orphans(now=account.clock.now())
    except DatabaseError as error:
        _log.error("what the last process left could not be put right: %s", error)


async def _keep_up(account: StorageAccount, left: Sequence[str]) -> None:
    """Do what is due by itself, a little at a time so that nobody waits for it.

    ``left`` are the files that were there at the start: those that no row names go first.
    """
    try:
        await account.contents.sweep(account.database, left)
        account.swept.set()
    except (DatabaseError, OSError) as error:
        _log.error("files that a crash left behind stay until the next start: %s", error)
    left = ()
    while True:
        account.due.clear()
        try:
            while await _keep_up_a_little(account):
                for _ in range(TURNS_FOR_OTHERS):
                    await asyncio.sleep(0)
            pause = _pause(account)
        except DatabaseError as error:
            _log.error("upkeep failed, tried again in a minute: %s", error)
            pause = RETRY_UPKEEP_AFTER
        except Exception:
            _log.exception("upkeep failed, tried again in a minute")
            pause = RETRY_UPKEEP_AFTER
        await account.clock.wait(account.due, within=pause.total_seconds())


async def _keep_up_a_little(account: StorageAccount) -> bool:
    now = account.clock.now()
    more = await queue_upkeep(account.database, now)
    more = await table_upkeep(account.database) or more
    return await account.blobs.upkeep(now) or more


def _pause(account: StorageAccount) -> timedelta:
    soonest = account.database.look(next_queue_upkeep)
    if soonest is None:
        return UPKEEP_EVERY
    return min(max(soonest - account.clock.now(), timedelta(milliseconds=100)), UPKEEP_EVERY)


def _hide_from_git(folder: Path) -> None:
    """Keep the data out of the user's repository, whatever their own .gitignore says."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
