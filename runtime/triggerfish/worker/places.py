"""Where user code is right now: the traceback that a function gets which took too long."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final

_HERE: Final = str(Path(__file__).parent)
_ASYNCIO: Final = str(Path(asyncio.__file__).parent)
_OURS: Final = (_HERE, _ASYNCIO, threading.__file__, "<frozen")


def place_of_thread(ident: int) -> str:
    """Return the stack of a running thread, from the user's first frame on."""
    return _text(list(traceback.walk_stack(sys._current_frames().get(ident)))[::-1])


def place_of_task(task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop, thread: int) -> str:
    """Return where a task waits, or where it blocks the loop, which runs on ``thread``."""
    if asyncio.current_task(loop) is task:
        return place_of_thread(thread)
    frames: list[tuple[FrameType, int]] = []
    waits: Any = task.get_coro()
    while waits is not None:  # from coroutine to the coroutine or generator it awaits
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is None:
            break
        frames.append((frame, frame.f_lineno))
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return _text(frames)


def _text(frames: list[tuple[FrameType, int]]) -> str:
    while frames and frames[0][0].f_code.co_filename.startswith(_OURS):
        frames.pop(0)
    if not frames:
        return ""
    lines = traceback.StackSummary.extract(iter(frames)).format()
    return "Traceback (most recent call last):\n" + "".join(lines)
