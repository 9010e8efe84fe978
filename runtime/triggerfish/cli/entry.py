"""Where the installed commands begin: Ctrl+C is answered in their first moment already.

Imports nothing before that; what is imported afterwards takes most of a short command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

INTERRUPTED: Final = 130  # as shells count it: 128 and the number of the signal


def triggerfish() -> None:
    """Run ``triggerfish``."""
    _begin("triggerfish.cli.main")


def func() -> None:
    """Run ``triggerfish-func``."""
    _begin("triggerfish.cli.func")


def _begin(module: str) -> None:
    with quiet_interrupt():
        main: Callable[[], None] = import_module(module).main
        main()


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """Let Ctrl+C end the program without a word, with the exit code that says so."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
