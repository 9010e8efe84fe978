"""Exceptions of user code as text, without the frames that are ours."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

_HERE: Final = str(Path(__file__).parent) + os.sep
_OURS: Final = (_HERE, "<frozen importlib", importlib.__file__)


def describe(error: BaseException) -> tuple[str, str, str]:
    """Return type, message and traceback of ``error``, as the host shows them."""
    return type(error).__name__, message_of(error), text_of(error)


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, whatever the user's ``__str__`` does."""
    try:
        return str(error)
    except Exception as worse:
        return f"<no message: {type(worse).__name__} in __str__>"


def text_of(error: BaseException) -> str:
    """Return the traceback as Python prints it, from the user's first frame on."""
    frames = _users_frames(error.__traceback__)
    try:
        return "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        return f"{type(error).__name__}: {message_of(error)}\n"


def place_of(error: BaseException, folder: str) -> tuple[str, int]:
    """Return file and line at fault: of a syntax error, else the app's innermost frame."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    place = ("", 0)
    frame = error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if name.startswith(folder + os.sep) and "site-packages" not in name:
            place = (name, frame.tb_lineno)
        frame = frame.tb_next
    return place


def _users_frames(frame: TracebackType | None) -> TracebackType | None:
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_OURS):
        frame = frame.tb_next
    return frame
