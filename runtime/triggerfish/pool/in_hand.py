"""The invocations that a worker was given and has not answered yet: how each ends, and when.

Pure bookkeeping on the event loop: sends nothing, kills nothing; times are the loop's.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from triggerfish.model import InvocationRequest, InvocationResult


class _Given(NamedTuple):
    request: InvocationRequest
    deadline: float
    result: asyncio.Future[InvocationResult]

    def finish(self, result: InvocationResult) -> None:
        if not self.result.done():  # a cancelled caller wants no result
            self.result.set_result(result)


class InHand:
    """By number, in the order of their start. ``idle`` is set while there are none."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._given: dict[int, _Given] = {}

    def __len__(self) -> int:
        return len(self._given)

    def __contains__(self, number: int) -> bool:
        return number in self._given

    def add(
        self, number: int, request: InvocationRequest, deadline: float
    ) -> asyncio.Future[InvocationResult]:
        """Note an invocation; return its result to be."""
        result: asyncio.Future[InvocationResult] = asyncio.get_running_loop().create_future()
        self._given[number] = _Given(request, deadline, result)
        self.idle.clear()
        return result

    def finish(self, number: int, result: InvocationResult) -> None:
        """End an invocation; without effect where it has ended, late as it was."""
        given = self._given.pop(number, None)
        if given is not None:
            given.finish(result)
        if not self._given:
            self.idle.set()

    def finish_all(self, result: InvocationResult) -> None:
        """End whatever is left."""
        for given in self._given.values():
            given.finish(result)
        self._given.clear()
        self.idle.set()

    def next_deadline(self) -> float | None:
        """Return when the first is due: they are in the order of their start, with one limit."""
        oldest = next(iter(self._given.values()), None)
        return None if oldest is None else oldest.deadline

    def late(self, now: float) -> dict[int, InvocationRequest]:
        """Return those whose deadline has come, by number."""
        return {n: given.request for n, given in self._given.items() if given.deadline <= now}
