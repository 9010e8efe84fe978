"""How the workers of an app are started, and how long they may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from triggerfish.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How workers are started, and how many. ``environment`` is all they get."""

    interpreter: Interpreter
    environment: Mapping[str, str]
    processes: int = 1
    arguments: Sequence[str] = ()  # of the interpreter, such as ``-X dev`` or ``-m debugpy``
    function_timeout: timedelta | None = timedelta(minutes=30)
    load_timeout: timedelta = timedelta(seconds=60)
    crash_limit: int | None = None  # in half an hour; by default three for each process
