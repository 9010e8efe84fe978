"""Which account a connection means, and who opens and closes it.

Nothing, ``UseDevelopmentStorage=true``, and a connection string that points at our own ports
all mean the embedded account. This process owns it where it can; where another one has the
folder or the ports, and a storage service answers there, that is used over HTTP instead.
Anything else is reached through the SDK. Design: docs/design/storage-port.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from triggerfish.config.app_config import AppConfig
from triggerfish.config.connections import (
    DEVELOPMENT_ACCOUNT,
    Connection,
    ConnectionString,
    Embedded,
    Identity,
    find_connection,
)
from triggerfish.config.notes import remark
from triggerfish.config.start_options import StartOptions
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.storage.account import Account, AccountError
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish.storage.place import Place, connection_to, endpoint, names_ports, place_of
from triggerfish.storage.probe import ask
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.addresses import reachable
from triggerfish_storage.changes import Changes
from triggerfish_storage.clock import Clock
from triggerfish_storage.data_folder import hide_from_git
from triggerfish_storage.database import DatabaseError
from triggerfish_storage.ownership import FolderOwned, Ownership, own
from triggerfish_storage.protocol.accounts import Accounts as AccountKeys
from triggerfish_storage.protocol.accounts import AccountsError, read_accounts
from triggerfish_storage.server import PortTaken, PortUnusable, open_account, serve
from triggerfish_storage.server import services as served_services
from triggerfish_storage.transfer.failure import TransferError

CATEGORY: Final = "Host.Storage"
_NEEDED: Final = ("blob", "queue")
_OPTIONS: Final = (
    "Stop it, choose other ports (--blob-port, --queue-port, --table-port), or set "
    "AzureWebJobsStorage to the connection string of another account."
)
_UNSEEDED: Final = (
    "--seed was not loaded: the storage account is not this host's own. Bring it in where the "
    "account is, with 'triggerfish storage import' or 'triggerfish storage --seed'."
)


class Accounts:
    """The accounts of one host: each is opened when first asked for, all are closed together."""

    def __init__(
        self,
        settings: Mapping[str, str],
        place: Place,
        stack: AsyncExitStack,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._place = place
        self._stack = stack
        self._clock = clock
        self._log = log
        self._opened: dict[Connection, Account] = {}
        self._opening = asyncio.Lock()
        self._changes = Changes()
        self._ports = place.ports  # those wanted, and once served those that were given
        self._storage: StorageAccount | None = None
        self._ownership: Ownership | None = None
        self._is_attached = False  # the folder is another process's, a storage account's

    async def of(self, connection: str) -> Account:
        """Return the account that a binding's ``connection`` names, the host's own where empty.

        Raises ``ConfigError`` for a connection that is missing or malformed, ``AccountError``
        for an account that cannot be opened.
        """
        found = find_connection(connection, self._settings)
        is_ours = names_ports(found, self._ports, self._place.scheme)
        key = Embedded() if is_ours else _without_setting(found)
        async with self._opening:
            if key not in self._opened:
                self._opened[key] = await self._open(found, embedded=isinstance(key, Embedded))
            return self._opened[key]

    def claim_folder(self) -> None:
        """Own the data folder where no embedded account does: the history is kept there too.

        Raises ``AccountError`` where another host has it.
        """
        if self._storage is None and self._place.seed is not None:
            self._log(LogLine(LogLevel.WARNING, CATEGORY, _UNSEEDED))
        if self._storage is not None or self._is_attached:
            return
        try:
            started = self._clock.now().isoformat()
            self._ownership = self._stack.enter_context(own(self._place.data, started=started))
            hide_from_git(self._place.data)
        except FolderOwned as error:
            raise AccountError(str(error)) from error
        except OSError as error:
            raise _unusable(self._place.data, error) from error

    @property
    def served(self) -> Mapping[str, int]:
        """The ports of the embedded account by service; none where it is not open."""
        return self._ports if self._storage is not None else {}

    def announce_host(self, address: str, port: int) -> None:
        """Let other programs find this host through the folder that it owns."""
        if self._ownership is not None:
            self._ownership.serves(address, {**self.served, "host": port})

    async def _open(self, connection: Connection, *, embedded: bool) -> Account:
        if embedded or isinstance(connection, Embedded):
            return await self._own_or_attach()
        return await self._reach(connection)

    async def _own_or_attach(self) -> Account:
        try:
            return await self._own()
        except FolderOwned as error:
            owner = error.owner
            is_account = owner is not None and all(one in owner.ports for one in _NEEDED)
            if owner is None or not is_account or "host" in owner.ports:
                raise AccountError(str(error)) from error
            self._is_attached = True
            self._say(f"{self._place.data}: in use by process {owner.pid}.")
            return await self._attach(
                owner.address, owner.ports, _NEEDED, str(error), certificate=owner.certificate
            )
        except PortTaken as error:
            taken_first = sorted(_NEEDED, key=error.service.__ne__)
            return await self._attach(self._place.address, self._place.ports, taken_first, "")
        except TransferError as error:
            raise AccountError(f"--seed: {error}") from error
        except (AccountsError, DatabaseError, PortUnusable) as error:
            raise AccountError(str(error)) from error
        except OSError as error:
            raise _unusable(self._place.data, error) from error

    async def _own(self) -> Account:
        place = self._place
        keys = AccountKeys(lambda: read_accounts(self._settings.get("AZURITE_ACCOUNTS", "")))
        async with AsyncExitStack() as opening:
            storage = await opening.enter_async_context(
                open_account(
                    place.data,
                    clock=self._clock,
                    durability=place.durability,
                    seed=place.seed,
                    keeps_versions=place.keeps_versions,
                    rehydrates_after=place.rehydrates_after,
                )
            )
            wanted = {name: place.ports.get(name, 0) for name in served_services(storage)}
            bound = await opening.enter_async_context(
                serve(
                    storage,
                    address=place.address,
                    ports=wanted,
                    accounts=keys,
                    tls=place.tls,
                    accepts_bearer=place.accepts_bearer,
                )
            )
            self._ports = {str(name): port for name, port in bound.items()}
            await self._stack.enter_async_context(opening.pop_all())
        self._storage, self._ownership = storage, storage.ownership
        if place.seed is not None:
            self._log(remark(f"Seed {place.seed.path}: {storage.planted}."))
        return EmbeddedAccount(
            storage,
            blob_endpoint=endpoint(place.address, self._ports["blob"], place.scheme),
            log=self._log,
            announces=place.announces,
        )

    async def _attach(
        self,
        address: str,
        ports: Mapping[str, int],
        services: Sequence[str],
        reason: str,
        *,
        certificate: str = "",
    ) -> Account:
        """Use the storage service that answers on ``ports``; raise where there is none.

        With a ``certificate`` it is spoken to over HTTPS, and has to show that one.
        """
        scheme, server = "https" if certificate else "http", ""
        for service in services:
            answer = await ask(address, ports[service], DEVELOPMENT_ACCOUNT, scheme=scheme)
            if not answer.is_storage:
                raise AccountError(
                    f"Port {ports[service]} on {address}, for the storage account's {service} "
                    f"service: {answer.problem}. {f'{reason} ' if reason else ''}{_OPTIONS}"
                )
            server = server or answer.server
        self._say(
            f"Using the storage account that answers on {reachable(address)}:{ports['blob']}"
            + (f" ({server})." if server else ".")
        )
        return await self._reach(connection_to(address, ports, certificate))

    def _say(self, message: str) -> None:
        # Shown always: what the app does is done to an account that others have, too.
        self._log(LogLine(LogLevel.WARNING, CATEGORY, message))

    async def _reach(self, connection: ConnectionString | Identity) -> Account:
        try:
            from triggerfish.storage.azure import open_azure  # heavy, and an extra
        except ImportError as error:
            raise AccountError(
                f"{connection.setting}: to reach a storage account outside this process, the "
                "Azure SDK is needed. Run: pip install 'triggerfish[azure]'"
            ) from error
        return await self._stack.enter_async_context(
            open_azure(connection, changes=self._changes, log=self._log)
        )


@asynccontextmanager
async def open_accounts(
    options: StartOptions,
    config: AppConfig,
    *,
    data: Path,
    clock: Clock,
    log: Log,
) -> AsyncIterator[Accounts]:
    """Give the accounts that an app's connections name; close what was opened at the end."""
    place = place_of(options, config, data)
    async with AsyncExitStack() as stack:
        yield Accounts(config.settings, place, stack, clock=clock, log=log)


def _unusable(folder: Path, error: OSError) -> AccountError:
    return AccountError(
        f"{folder}: the folder for the host's data cannot be used ({error.strerror or error}). "
        "Choose another with --data FOLDER."
    )


def _without_setting(connection: Connection) -> Connection:
    """Return what tells accounts apart: two settings may hold the same connection string."""
    if isinstance(connection, ConnectionString):
        return replace(connection, setting="", text="")
    return replace(connection, setting="")
