"""How fast orders go from a queue through a function to a queue, and what that takes.

Used by pipeline.py and pipeline_peers.py; measures nothing itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from programs import BenchmarkFailed, children, cpu_seconds

INBOX: Final = "inbox"
OUTBOX: Final = "outbox"
WARM_UP: Final = 0.1
WITHIN_SECONDS: Final = 60.0
LOOK_EVERY_SECONDS: Final = 0.05  # a look that comes late makes a rate look worse


def order(number: int) -> str:
    return json.dumps({"id": number, "customer": f"c-{number % 97}", "price": 12.5, "count": 3})


@dataclass(frozen=True)
class Rate:
    """Messages per second, and the processor time that one took."""

    per_second: float
    busiest_us: float = 0.0  # in the process that had most to do
    all_us: float = 0.0


def rate(count: Callable[[], int], messages: int, *, of: Sequence[int]) -> Rate:
    """Return how fast messages arrive, by looking at their number now and then.

    ``of`` are the processes that make them arrive; their children count too.
    """
    began = time.monotonic()
    first: tuple[float, int, dict[int, float]] | None = None
    while True:
        arrived, now = count(), time.monotonic()
        if first is None and arrived >= WARM_UP * messages:
            first = now, arrived, processor_time(of)
        if arrived >= messages:
            break
        if now - began > WITHIN_SECONDS:
            raise BenchmarkFailed(f"{arrived} of {messages} messages in {WITHIN_SECONDS:g} s")
        time.sleep(LOOK_EVERY_SECONDS)
    if arrived > messages or first is None or first[0] == now:
        raise BenchmarkFailed(f"{arrived} messages came of {messages}: too many, or too fast")
    done = arrived - first[1]
    used = [time - first[2].get(pid, 0.0) for pid, time in processor_time(of).items()]
    return Rate(done / (now - first[0]), 1e6 * max(used) / done, 1e6 * sum(used) / done)


def processor_time(of: Sequence[int]) -> dict[int, float]:
    pids = [*of, *(child for pid in of for child in children(pid))]
    return {pid: cpu_seconds(pid) for pid in pids}
