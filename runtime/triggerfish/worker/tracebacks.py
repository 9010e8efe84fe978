"""Exceptions of user code as text, without the frames that are ours."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import azure.functions

_HERE: Final = str(Path(__file__).parent) + os.sep
_OURS: Final = (_HERE, "<frozen importlib", importlib.__file__)
_LIBRARY: Final = str(Path(azure.functions.__file__).parent) + os.sep
_STANDARD: Final = str(Path(os.__file__).parent) + os.sep


def describe(error: BaseException) -> tuple[str, str, str]:
    """Return type, message and traceback of ``error``, as the host shows them."""
    return type(error).__name__, message_of(error), text_of(error)


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, whatever the user's ``__str__`` does; its place comes separately."""
    if isinstance(error, SyntaxError) and error.filename:
        return str(error.msg)
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


def text_of_cause(error: BaseException) -> str:
    """Return the traceback of what user code raised behind ``error``; nothing where none did.

    A value may run user code while it is converted, such as a generator or a file's ``read``.
    """
    cause = error.__cause__
    if cause is None:
        return ""
    frame = cause.__traceback__
    while frame is not None:
        if not _is_library(frame.tb_frame.f_code.co_filename):
            return "".join(traceback.format_exception(type(cause), cause, frame))
        frame = frame.tb_next
    return ""


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


def _is_library(path: str) -> bool:
    if path.startswith((*_OURS, _LIBRARY)):
        return True
    return path.startswith(_STANDARD) and "-packages" not in path


def _users_frames(frame: TracebackType | None) -> TracebackType | None:
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_OURS):
        frame = frame.tb_next
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.tb_next
    return frame
