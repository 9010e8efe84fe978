"""Opens the parts of the host in their order, and closes them in the opposite one.

Composition only: every part has its own module, and none of them knows this one.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from triggerfish.app import open_app
from triggerfish.config.app_config import AppConfig
from triggerfish.config.app_folder import DATA_FOLDER
from triggerfish.config.start_options import StartOptions
from triggerfish.console import Console
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.host_view import Host
from triggerfish.http.server import ServerOptions, serve
from triggerfish.lifecycle import Lifecycle
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.locks import Locks
from triggerfish.listeners.primary import primary_host
from triggerfish.model import Log, LogLine
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import Spare
from triggerfish.reloading import reload_on_edits
from triggerfish.reporter import Reporter
from triggerfish.storage.choose import Accounts, open_accounts
from triggerfish.surroundings import Surroundings
from triggerfish.time_zones import zone_of
from triggerfish.watching import WatchRules
from triggerfish_storage.clock import Clock

_ANY_ADDRESS: Final = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


@asynccontextmanager
async def open_host(
    options: StartOptions,
    config: AppConfig,
    console: Console,
    pool: PoolOptions,
    spare: Spare | None,
    clock: Clock,
) -> AsyncIterator[Lifecycle]:
    """Open what lives as long as the host. Raises ``TriggerfishError`` where it cannot run."""
    data = options.data or config.folder / DATA_FOLDER
    async with AsyncExitStack() as stack:
        accounts = await stack.enter_async_context(
            open_accounts(options, config, data=data, clock=clock, log=console.write)
        )
        await accounts.of("")  # the host's own: where it cannot be opened, nothing can run
        accounts.claim_folder()
        ledger = await stack.enter_async_context(open_ledger(data, report=console.write))
        around = await _surroundings(config, pool, spare, accounts, ledger, console, clock)
        reporter = Reporter(console, config, strict=options.strict, reloads=options.reload)
        lifecycle = Lifecycle(
            partial(open_app, around),
            reporter,
            log=around.log,
            clock=clock,
            strict=options.strict,
            one_at_a_time=bool(pool.arguments),
        )
        port = await stack.enter_async_context(_web(Host(lifecycle, around), around))
        reporter.address = f"http://{_shown(config.address)}:{port}"
        reporter.storage = accounts.served
        accounts.announce_host(config.address, port)
        await stack.enter_async_context(
            primary_host(around.locks, lifecycle.has_served, clock=clock, log=around.log)
        )
        if options.reload:
            await stack.enter_async_context(_reloading(lifecycle, around))
        yield lifecycle


async def _surroundings(
    config: AppConfig,
    pool: PoolOptions,
    spare: Spare | None,
    accounts: Accounts,
    ledger: Ledger,
    console: Console,
    clock: Clock,
) -> Surroundings:
    log = log_to(console, ledger)
    host_account = await accounts.of("")
    return Surroundings(
        config=config,
        pool=pool,
        spare=spare,
        accounts=accounts,
        host_account=host_account,
        host_id=config.host_id,
        ledger=ledger,
        receipts=Receipts(host_account, config.host_id),
        locks=Locks(host_account, config.host_id, str(uuid.uuid4()), clock=clock, log=log),
        zone=zone_of(config.app.time_zone, config.settings.get("TZ"), log),
        clock=clock,
        log=log,
    )


def log_to(console: Console, ledger: Ledger) -> Log:
    """Return what shows a line of log, and keeps it with the invocation it belongs to."""

    def log(line: LogLine) -> None:
        console.write(line)
        ledger.logged(line)

    return log


def _web(host: Host, around: Surroundings) -> AbstractAsyncContextManager[int]:
    config = around.config
    return serve(
        host,
        address=config.address,
        port=config.port,
        log=around.log,
        options=ServerOptions(
            cors=config.cors,
            body_limit=config.app.request_body_limit_bytes,
            home_page=config.app.homepage,
        ),
    )


def _shown(address: str) -> str:
    """Return the address as a browser on this machine takes it."""
    return "localhost" if address in _ANY_ADDRESS else address


def _reloading(lifecycle: Lifecycle, around: Surroundings) -> AbstractAsyncContextManager[None]:
    """Ask for the app to be loaded again whenever one of its files is saved."""

    def rules() -> WatchRules:
        host = lifecycle.current.config if lifecycle.current else around.config.host
        return WatchRules(host.watch_files, host.watch_directories)

    return reload_on_edits(around.config.folder, rules, lifecycle.ask, around.log)
