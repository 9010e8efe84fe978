"""What a program that serves for hours sets up: its event loop, and when cycles are looked for."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

# Cycles are rare here, and looking for them at the usual 700 objects takes 5 to 10 % of a busy
# program, most of it for modules and classes.
_COLLECT_AFTER: Final = (20_000, 20, 20)


def runner() -> asyncio.Runner:
    """Return a runner of the fastest loop there is: asyncio's own on Windows, else uvloop's."""
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def all_is_loaded() -> None:
    """What is in memory now, above all modules, stays to the end: it is not looked at again."""
    gc.freeze()
