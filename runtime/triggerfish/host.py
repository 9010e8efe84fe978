"""The host as a program: what is opened in which order, signals, and the exit code.

Composition only: every part has its own module, and none of them knows this one.
Behaviour: spec host-and-worker.md, sections 1, 19 and 20.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import partial
from typing import Final

from triggerfish.app import Surroundings, open_app
from triggerfish.config.app_config import AppConfig, load_app_config
from triggerfish.config.start_options import StartOptions
from triggerfish.config.terminal import wants_colours
from triggerfish.console import Console, banner
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.host_view import Host
from triggerfish.http.server import ServerOptions, serve
from triggerfish.interpreter import choose_interpreter
from triggerfish.lifecycle import Lifecycle, Request
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.locks import Locks
from triggerfish.model import LogLevel, LogLine, TriggerfishError
from triggerfish.reloading import reload_on_edits
from triggerfish.reporter import Reporter, log_filter
from triggerfish.storage.choose import Accounts, open_accounts
from triggerfish.time_zones import zone_of
from triggerfish.watching import WatchRules
from triggerfish_storage.clock import Clock, SystemClock

DATA_FOLDER: Final = ".triggerfish"


def run(options: StartOptions) -> int:
    """Run the host until it is stopped; return the exit code.

    Raises ``TriggerfishError`` where it cannot start at all.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_run(options))
        except BaseExceptionGroup as group:
            # Task groups wrap what passes through them; a message for the user comes alone.
            told, unexpected = group.split(TriggerfishError)
            if told is None or unexpected is not None:
                raise
            raise _first(told) from None


def _first(group: BaseExceptionGroup[TriggerfishError]) -> TriggerfishError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # absent on Windows, where asyncio's own loop does
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]


async def _run(options: StartOptions) -> int:
    config = load_app_config(options)
    clock = SystemClock()
    with _console(options, config, clock) as console:
        console.say(banner())
        for note in config.notes:
            console.write(note)
        async with _open_host(options, config, console, clock) as lifecycle:
            serving = asyncio.create_task(lifecycle.run())
            with _signals(lifecycle, serving), suppress(asyncio.CancelledError):
                await serving
        return 0 if lifecycle.error is None else 1


def _console(options: StartOptions, config: AppConfig, clock: Clock) -> Console:
    wanted = options.colours and not config.host.logging.disable_colours
    return Console(
        sys.stdout,
        log_filter=log_filter(config, config.host),
        clock=clock,
        colours=wanted and wants_colours(sys.stdout),
        json_lines=options.json_logs,
    )


@asynccontextmanager
async def _open_host(
    options: StartOptions, config: AppConfig, console: Console, clock: Clock
) -> AsyncIterator[Lifecycle]:
    """Open what lives as long as the host; close it in the opposite order."""
    data = options.data or config.folder / DATA_FOLDER
    async with AsyncExitStack() as stack:
        accounts = await stack.enter_async_context(
            open_accounts(options, config, data=data, clock=clock, log=console.write)
        )
        await accounts.of("")  # the host's own: where it cannot be opened, nothing can run
        accounts.claim_folder()
        ledger = await stack.enter_async_context(open_ledger(data, report=console.write))
        around = await _surroundings(config, accounts, ledger, console, clock)
        reporter = Reporter(console, config)
        lifecycle = Lifecycle(
            partial(open_app, around), reporter, log=around.log, strict=options.strict
        )
        host = Host(lifecycle, around)
        port = await stack.enter_async_context(_web(host, config, around))
        reporter.address = f"http://{_shown(config.address)}:{port}"
        accounts.announce_host(config.address, port)
        if options.reload:
            await stack.enter_async_context(_reloading(config, lifecycle, around))
        yield lifecycle


async def _surroundings(
    config: AppConfig, accounts: Accounts, ledger: Ledger, console: Console, clock: Clock
) -> Surroundings:
    interpreter = await choose_interpreter(config.folder, config.settings)
    log = partial(_log, console, ledger)
    version = ".".join(map(str, interpreter.version))
    log(_line(f"Python {version} at {interpreter.path} runs the app ({interpreter.reason})."))
    host_account = await accounts.of("")
    instance = str(uuid.uuid4())
    return Surroundings(
        config=config,
        interpreter=interpreter,
        accounts=accounts,
        host_account=host_account,
        host_id=config.host_id,
        ledger=ledger,
        receipts=Receipts(host_account, config.host_id),
        locks=Locks(host_account, config.host_id, instance, clock=clock, log=log),
        zone=zone_of(config.app.time_zone, config.settings.get("TZ"), log),
        clock=clock,
        log=log,
    )


def _log(console: Console, ledger: Ledger, line: LogLine) -> None:
    console.write(line)
    ledger.logged(line)


def _line(message: str) -> LogLine:
    return LogLine(LogLevel.INFORMATION, "Host.Startup", message)


def _web(host: Host, config: AppConfig, around: Surroundings) -> AbstractAsyncContextManager[int]:
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
    return "localhost" if address in ("127.0.0.1", "0.0.0.0", "::", "::1") else address  # noqa: S104


def _reloading(
    config: AppConfig, lifecycle: Lifecycle, around: Surroundings
) -> AbstractAsyncContextManager[None]:
    """Ask for the app to be loaded again whenever one of its files is saved."""

    def rules() -> WatchRules:
        host = lifecycle.current.config if lifecycle.current else config.host
        return WatchRules(host.watch_files, host.watch_directories)

    return reload_on_edits(config.folder, rules, lifecycle.ask, around.log)


@contextmanager
def _signals(lifecycle: Lifecycle, serving: asyncio.Task[None]) -> Iterator[None]:
    """Drain at the first Ctrl+C or SIGTERM, and end at once at the second."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            serving.cancel()
        asked = True
        lifecycle.ask(Request.STOP)

    wanted = (signal.SIGINT, signal.SIGTERM)
    for one in wanted:
        try:
            loop.add_signal_handler(one, stop)
        except NotImplementedError:  # Windows
            signal.signal(one, lambda *_: loop.call_soon_threadsafe(stop))
    try:
        yield
    finally:
        for one in wanted:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(one)
