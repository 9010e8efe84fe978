"""Log levels of the Functions host, and how output of user code gets one. Pure; host and worker.

Behaviour: spec host-and-worker.md, section 14.1.
"""

from __future__ import annotations

import logging
from typing import Final

TRACE, DEBUG, INFORMATION, WARNING, ERROR, CRITICAL = range(6)
CONSOLE: Final = "Host.Function.Console"


def level_of_stderr(text: str) -> int:
    """Return the level of a line that was written to stderr, by what it says."""
    text = text.lower()
    if "warn" in text:
        return WARNING
    words = ("error", "fail", "severe", "unhandled exception")
    return ERROR if any(word in text for word in words) else INFORMATION


def level_of_record(number: int) -> int:
    """Return the host's level for one of ``logging``: its own, or the nearest lower."""
    if number < logging.DEBUG:
        return TRACE
    return min(number // 10, CRITICAL)
