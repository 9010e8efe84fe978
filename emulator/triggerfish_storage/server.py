"""Opening an account's data folder, and serving it over HTTP.

``open_account`` gives the stores to whoever lives in this process; ``serve`` puts the same
stores behind the three ports. Owns the order of things: the folder is owned before it is
touched, what a crash left is mended before anybody is served, and upkeep runs until the end.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.blobs import access, versions
from triggerfish_storage.blobs import operations as blob_operations
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.clock import Clock, SystemClock
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.data_folder import (
    CONTENTS_FOLDER,
    DATABASE_FILE,
    hide_from_git,
    migrations,
)
from triggerfish_storage.database import DatabaseError, Durability, open_database
from triggerfish_storage.ownership import own
from triggerfish_storage.protocol.accounts import Accounts
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.http import Endpoint, Listening, listen, stop
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.queues import operations as queue_operations
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.tables import misaddressed
from triggerfish_storage.tables import operations as table_operations
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.threads import on_thread
from triggerfish_storage.tls import shown_certificate
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import attending
from triggerfish_storage.transfer.owner import AccountOwner
from triggerfish_storage.transfer.scratch import temporary_folder
from triggerfish_storage.transfer.seeding import Seed, plant
from triggerfish_storage.transfer.tally import Tally
from triggerfish_storage.upkeep import kept_up

_NOT_HERE: Final = "it is no address of this machine."
_log = logging.getLogger("triggerfish_storage")


class PortUnusable(Exception):  # noqa: N818 - a state, and the message says what to do
    """A port cannot be listened on."""

    def __init__(self, service: str, address: str, port: int, problem: str) -> None:
        super().__init__(
            f"Port {port} on {address} cannot be used for the {service} service: {problem}"
        )
        self.service = service
        self.port = port


class PortTaken(PortUnusable):
    """Somebody else listens there."""


@asynccontextmanager
async def open_account(
    folder: Path | None,
    *,
    clock: Clock | None = None,
    durability: Durability = "process",
    seed: Seed | None = None,
    keeps_versions: bool = False,
    rehydrates_after: timedelta = timedelta(),
) -> AsyncIterator[StorageAccount]:
    """Open the account kept in ``folder``, or with None one that is gone at the end.

    What the ``seed`` holds and the account does not is brought in first. With ``keeps_versions``
    each write to a blob leaves the one before behind, until it is opened without. A blob takes
    ``rehydrates_after`` to come out of the archive.

    Raises FolderOwned where another process has the folder, DatabaseError where it cannot be
    used, TransferError where the seed cannot be.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if folder is None:
            # In the file system, because memory of our own could not be paged out.
            folder = stack.enter_context(temporary_folder())
        ownership = stack.enter_context(own(folder, started=clock.now().isoformat()))
        hide_from_git(folder)
        planted = await _plant(folder, seed, clock, durability)
        database = await stack.enter_async_context(
            open_database(folder / DATABASE_FILE, migrations(), durability=durability)
        )
        contents = Contents(folder / CONTENTS_FOLDER, durability=durability)
        stack.callback(contents.close)
        database.when_full(contents.make_room)
        account = StorageAccount(
            database,
            contents,
            clock,
            ownership,
            planted=planted,
            keeps_versions=keeps_versions,
            rehydrates_after=rehydrates_after,
        )
        if keeps_versions != database.look(versions.keeps_versions):
            await database.write(lambda tx: versions.turn(tx, on=keeps_versions))
        left = await contents.present()
        await _mend(account)
        owner = AccountOwner(folder, database, contents, clock.now, account.everything_changed)
        await stack.enter_async_context(attending(folder, owner.perform))
        await stack.enter_async_context(kept_up(account, left))
        yield account


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
    requests are taken and those in work are finished. Raises PortUnusable, PortTaken among them.
    """
    accounts = accounts or Accounts()
    addresses = addresses or {}
    listening: dict[ServiceName, Listening] = {}
    try:
        for name, port in ports.items():
            endpoint = Endpoint(
                services(account)[name], accounts, account.clock, accepts_bearer=accepts_bearer
            )
            host = addresses.get(name, address)
            try:
                listening[name] = await listen(endpoint, address=host, port=port, tls=tls)
            except (OSError, UnicodeError) as error:
                raise _unusable(error, name, host, port) from error
        bound = {name: one.port for name, one in listening.items()}
        account.ownership.serves(
            address,
            {str(name): port for name, port in bound.items()},
            certificate=shown_certificate(tls) if tls is not None else "",
        )
        yield bound
    finally:
        await stop(list(listening.values()))


def _unusable(error: OSError | UnicodeError, service: str, address: str, port: int) -> PortUnusable:
    if isinstance(error, UnicodeError):  # no name of a machine is so long, or has such letters
        return PortUnusable(service, address, port, _NOT_HERE)
    match error.errno:
        case errno.EADDRINUSE:
            problem = (
                f"it is in use. Stop what listens there, or choose another with --{service}-port."
            )
            return PortTaken(service, address, port, problem)
        case errno.EACCES:
            problem = f"only administrators may. Choose one above 1023 with --{service}-port."
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT | socket.EAI_NONAME | socket.EAI_AGAIN:
            problem = _NOT_HERE
        case None:  # asyncio's own since Python 3.12, where the system has none of the addresses
            problem = _NOT_HERE
        case _:
            problem = f"{error.strerror or error}."
    return PortUnusable(service, address, port, problem)


def services(account: StorageAccount) -> dict[ServiceName, Service[Any]]:
    """Return the services of an account, as the HTTP layer runs them."""
    queues: Service[QueueStore] = Service(
        "queue",
        queue_operations.OPERATIONS,
        account.queues_of,
        resource=lambda call: call.path.get("queue", ""),
        policies=queue_operations.stored_policies,
        properties=lambda name: account.queues_of(name).service_properties.load(),
    )
    blobs: Service[BlobStore] = Service(
        "blob",
        blob_operations.OPERATIONS,
        account.blobs_of,
        resource=access.container_of,
        policies=access.stored_policies,
        public=access.is_public,
        properties=lambda name: account.blobs_of(name).service_properties.load(),
    )
    tables: Service[TableStore] = Service(
        "table",
        (*table_operations.OPERATIONS, *misaddressed.OPERATIONS),
        account.tables_of,
        resource=table_operations.table_of,
        policies=table_operations.stored_policies,
        properties=lambda name: account.tables_of(name).service_properties.load(),
        unknown=table_operations.UNKNOWN_PATH,
    )
    return {"blob": blobs, "queue": queues, "table": tables}


async def _plant(folder: Path, seed: Seed | None, clock: Clock, durability: Durability) -> Tally:
    """Bring the seed in, and return how much of it was missing; nothing where we are cancelled."""
    if seed is None:
        return Tally()
    path, tell, gone = seed.path, seed.advance, threading.Event()

    def advance(size_bytes: int) -> None:
        if gone.is_set():
            raise TransferError(f"{path}: stopped, so nothing of it was loaded.")
        tell(size_bytes)

    watched = replace(seed, advance=advance)
    planting = partial(plant, folder, watched, now=clock.now(), durability=durability)
    return await on_thread(planting, hurry=gone.set)


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
