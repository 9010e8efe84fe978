"""The lines that configuration leaves for the console at start."""

from __future__ import annotations

from typing import Final

from triggerfish.model import LogLevel, LogLine

_HOST_CATEGORY: Final = "Host.Configuration"
_SHOWN_CATEGORY: Final = "Triggerfish"  # not the host's: shown unless the user silences it


def notice(message: str) -> LogLine:
    """Something accepted without effect: shown with ``--verbose``."""
    return LogLine(LogLevel.INFORMATION, _HOST_CATEGORY, message)


def remark(message: str) -> LogLine:
    """Something that everybody should see at start."""
    return LogLine(LogLevel.INFORMATION, _SHOWN_CATEGORY, message)


def warning(message: str) -> LogLine:
    """Something that is probably not meant."""
    return LogLine(LogLevel.WARNING, _HOST_CATEGORY, message)
