"""The host as a program: the loop, the console, signals, and the exit code.

The parts of the host are put together by ``composition``, which is heavy to import: that is
done while the first worker process starts. Behaviour: spec host-and-worker.md, 1, 19 and 20.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

from triggerfish.config.app_config import AppConfig, load_app_config
from triggerfish.config.start_options import StartOptions
from triggerfish.config.worker_environment import worker_environment
from triggerfish.console import Console, banner, log_filter
from triggerfish.interpreter import choose_interpreter
from triggerfish.model import TriggerfishError
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import keep_spare
from triggerfish_storage import long_running
from triggerfish_storage.clock import Clock, SystemClock
from triggerfish_storage.terminal import wants_colours

if TYPE_CHECKING:
    from triggerfish.lifecycle import Lifecycle  # heavy: loaded with the composition

_NOTICED_SECONDS: Final = 0.5  # a shorter wait needs no words


def run(options: StartOptions) -> int:
    """Run the host until it is stopped; return the exit code.

    Raises ``TriggerfishError`` where it cannot start at all.
    """
    with long_running.runner() as runner:
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


async def _run(options: StartOptions) -> int:
    config = load_app_config(options)
    clock = SystemClock()
    with _console(options, config, clock) as console:
        console.say(banner())
        for note in config.notes:
            console.write(note)
        pool = await _pool_options(options, config, console)
        async with keep_spare(pool, config.folder, console.write) as spare:
            composition = await asyncio.to_thread(import_module, "triggerfish.composition")
            long_running.all_is_loaded()
            opening = composition.open_host(options, config, console, pool, spare, clock)
            async with opening as lifecycle:
                serving = asyncio.create_task(lifecycle.run())
                stop = partial(_stop, lifecycle, console)
                with _signals(stop, serving.cancel), suppress(asyncio.CancelledError):
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


async def _pool_options(options: StartOptions, config: AppConfig, console: Console) -> PoolOptions:
    """Return how workers are started; what host.json says of them is known at each load."""
    python = await choose_interpreter(config.folder, config.settings, named=config.app.interpreter)
    version = ".".join(map(str, python.version))
    console.say(f"Python {version} at {python.path} runs the app ({python.reason}).")
    return PoolOptions(
        interpreter=python,
        environment=worker_environment(config.settings, options),
        processes=config.app.worker_processes,
        arguments=config.interpreter_arguments,
    )


def _stop(lifecycle: Lifecycle, console: Console) -> None:
    """Ask the host to end; where that takes a moment, say why and how to hurry it."""

    def explain() -> None:
        busy = "the functions that run have ended"
        until = busy if lifecycle.outstanding else "workers and storage have answered"
        console.say(f"Stopping once {until}. Press Ctrl+C again to end at once.")

    lifecycle.stop()
    asyncio.get_running_loop().call_later(_NOTICED_SECONDS, explain)


@contextmanager
def _signals(stop: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    """Drain at the first Ctrl+C or SIGTERM, and end at once at the second."""
    loop = asyncio.get_running_loop()
    asked = False

    def on_signal() -> None:
        nonlocal asked
        (end if asked else stop)()
        asked = True

    wanted = (signal.SIGINT, signal.SIGTERM)
    for one in wanted:
        try:
            loop.add_signal_handler(one, on_signal)
        except NotImplementedError:  # Windows
            signal.signal(one, lambda *_: loop.call_soon_threadsafe(on_signal))
    try:
        yield
    finally:
        for one in wanted:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(one)
