"""Asks for the app to be loaded again when its files are edited, or taken offline by a file.

Behaviour: spec host-and-worker.md, 19.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from triggerfish.config.local_settings import LOCAL_SETTINGS
from triggerfish.lifecycle import Request
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.watching import (
    OFFLINE_FILE,
    QUIET_SECONDS,
    AppChange,
    WatchError,
    WatchRules,
    watch_app,
)

_CATEGORY: Final = "Host.Startup"
_AT_START_ONLY: Final = f"{LOCAL_SETTINGS} was edited: it is read at start. Start the host anew."


@asynccontextmanager
async def reload_on_edits(
    folder: Path,
    rules: Callable[[], WatchRules],
    ask: Callable[[Request], None],
    log: Log,
    *,
    quiet_seconds: float = QUIET_SECONDS,
) -> AsyncIterator[None]:
    """Watch the app for the block; where that is not possible, say so and go on without."""
    async with AsyncExitStack() as stack:
        try:
            changes = await stack.enter_async_context(
                watch_app(folder, rules, quiet_seconds=quiet_seconds)
            )
        except WatchError as error:
            log(LogLine(LogLevel.WARNING, _CATEGORY, str(error)))
            yield
            return
        if (folder / OFFLINE_FILE).is_file():
            ask(Request.OFFLINE)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        following = group.create_task(_follow(changes, ask, log))
        try:
            yield
        finally:
            following.cancel()


async def _follow(
    changes: AsyncIterator[AppChange],
    ask: Callable[[Request], None],
    log: Log,
) -> None:
    async for change in changes:
        detected = f"File change of type '{change.kind}' detected for '{change.path}'."
        log(LogLine(LogLevel.INFORMATION, _CATEGORY, detected))
        if change.path == LOCAL_SETTINGS:
            log(LogLine(LogLevel.WARNING, _CATEGORY, _AT_START_ONLY))
            continue
        if change.is_offline:
            message = f"{OFFLINE_FILE} is there: the host stops until it is removed."
            ask(Request.OFFLINE)
        else:
            message = "Host configuration has changed. Signaling restart."
            ask(Request.RELOAD)
        log(LogLine(LogLevel.INFORMATION, _CATEGORY, message))
