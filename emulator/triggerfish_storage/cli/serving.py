"""Running the account that the options of ``triggerfish storage`` describe, until a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from triggerfish_storage import long_running
from triggerfish_storage.addresses import reachable
from triggerfish_storage.cli.failing import Failed
from triggerfish_storage.cli.options import NOT_AT_ALL, TO_TERMINAL, Options, options_from
from triggerfish_storage.cli.output import remark
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.protocol.auth import ServiceName

CUT_SHORT: Final = 130  # exit code, as shells have it for Ctrl-C

if TYPE_CHECKING:
    from triggerfish_storage.account import StorageAccount
    from triggerfish_storage.protocol.accounts import Accounts


def serve_account(given: Mapping[str, Any]) -> None:
    """Run the account; raises what ends the command where it cannot run."""
    _log_to(given["debug"], is_silent=given["silent"])
    options = options_from(given)
    if "AZURITE_DB" in os.environ and not options.is_silent:
        remark("AZURITE_DB is not looked at: the account is kept in SQLite, in the data folder.")
    with long_running.runner() as runner:
        try:
            problem = runner.run(_run(options))
        except asyncio.CancelledError:
            raise SystemExit(CUT_SHORT) from None
    if problem:
        raise Failed(problem)


async def _run(options: Options) -> str:
    """Serve until a signal comes; return what kept us from it, if anything did."""
    # The server is imported only to run, so that --help answers at once.
    from triggerfish_storage.database import DatabaseError
    from triggerfish_storage.ownership import FolderOwned
    from triggerfish_storage.protocol.accounts import Accounts, AccountsError, read_accounts
    from triggerfish_storage.server import PortUnusable, serve
    from triggerfish_storage.transfer.failure import TransferError

    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    try:
        accounts = Accounts(lambda: read_accounts(os.environ.get("AZURITE_ACCOUNTS", "")))
        async with (
            _opened(options, stopping) as account,
            serve(
                account,
                ports=options.ports,
                addresses=options.addresses,
                accounts=accounts,
                tls=options.tls,
                accepts_bearer=options.accepts_bearer,
            ) as ports,
        ):
            long_running.all_is_loaded()
            click.echo(_greeting(options, ports, account, accounts))
            await stopping.wait()
    except (AccountsError, DatabaseError, FolderOwned, PortUnusable) as error:
        return str(error)
    except TransferError as error:
        return f"--seed: {error}"
    except OSError as error:
        where = error.filename or options.folder or tempfile.gettempdir()
        choice = "--data" if options.folder is not None else "the variable TMPDIR"
        return f"{where}: {error.strerror or error}. Choose another folder with {choice}."
    return ""


@asynccontextmanager
async def _opened(options: Options, stopping: asyncio.Event) -> AsyncIterator[StorageAccount]:
    """Open the account, once its seed is in; a signal ends that too."""
    from triggerfish_storage.server import open_account
    from triggerfish_storage.transfer.failure import TransferError
    from triggerfish_storage.transfer.seeding import Seed

    async with AsyncExitStack() as stack:
        seed = None
        with ExitStack() as shown:
            if options.seed is not None:
                show = shown.enter_context(progress("Seeding", None, in_bytes=True))

                def advance(size_bytes: int) -> None:
                    if stopping.is_set():
                        raise TransferError(
                            f"{options.seed}: stopped, so nothing of it was loaded."
                        )
                    show(size_bytes)

                seed = Seed(options.seed, advance=advance)
            account = await stack.enter_async_context(
                open_account(
                    options.folder,
                    durability=options.durability,
                    seed=seed,
                    keeps_versions=options.keeps_versions,
                    rehydrates_after=options.rehydrates_after,
                )
            )
        yield account


def _stop_on_signals(stopping: asyncio.Event) -> None:
    """Let a signal stop the program, and a second one not wait for what is in work."""
    loop, running = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and running is not None:
            running.cancel()
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, stop)
        except NotImplementedError:  # Windows
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(stop))


def _greeting(
    options: Options,
    ports: Mapping[ServiceName, int],
    account: StorageAccount,
    accounts: Accounts,
) -> str:
    """Return what is said once every service listens.

    Whoever starts an emulator waits for the words that follow a service's name: they are those
    of Azurite, which says them even where it is to be silent.
    """
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT

    protocol = "https" if options.tls else "http"
    endpoints = {
        name: f"{protocol}://{reachable(options.addresses[name])}:{port}/{DEFAULT_ACCOUNT}"
        for name, port in ports.items()
    }
    lines = [
        f"{name.capitalize()} service is successfully listening at {url}"
        for name, url in endpoints.items()
    ]
    if options.is_silent:
        return "\n".join(lines)
    where = account.database.path.parent.resolve()
    remark = "" if options.folder else " (in memory: gone at the end)"
    return "\n".join(
        [
            *lines,
            f"Data is kept in {where}{remark}",
            *([f"Seed {options.seed}: {account.planted}"] if options.seed else ()),
            "",
            _way_in(endpoints, accounts),
            "",
            "Ctrl-C stops it.",
        ]
    )


def _way_in(endpoints: Mapping[ServiceName, str], accounts: Accounts) -> str:
    """Return how clients get in; of keys only the one that everybody knows is shown."""
    from triggerfish_storage.connection_string import connection_string_of
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
    from triggerfish_storage.protocol.auth import decode_key

    if decode_key(DEFAULT_KEY) in accounts[DEFAULT_ACCOUNT]:
        lines = [connection_string_of(endpoints)]
    else:
        lines = [f"{DEFAULT_ACCOUNT} has the keys that AZURITE_ACCOUNTS gives it."]
    others = [name for name in accounts if name != DEFAULT_ACCOUNT]
    if others:
        lines.append(f"More accounts, with their names in the addresses: {', '.join(others)}")
    return "\n".join(lines)


def _log_to(target: str | None, *, is_silent: bool) -> None:
    wanted = "" if target is None or target.lower() in NOT_AT_ALL else target
    level = logging.DEBUG if wanted else logging.ERROR if is_silent else logging.WARNING
    file = None if wanted.lower() in ("", *TO_TERMINAL) else wanted
    try:
        if file is not None:  # often it lies in the data folder, which need not exist yet
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(
            level=logging.WARNING, filename=file, format="%(asctime)s %(levelname)s %(message)s"
        )
    except OSError as error:
        raise click.UsageError(f"--debug {file}: {error.strerror or error}.") from error
    logging.getLogger("triggerfish_storage").setLevel(level)
