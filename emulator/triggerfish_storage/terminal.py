"""What an output can show: https://no-color.org, and what terminals say of themselves."""

from __future__ import annotations

import os
from typing import IO


def wants_colours(stream: IO[str]) -> bool:
    """Whether ``stream`` is a terminal whose user has not asked for plain text."""
    return not os.environ.get("NO_COLOR") and can_draw(stream)


def can_draw(stream: IO[str]) -> bool:
    """Whether ``stream`` is a terminal on which a line can be written anew."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
