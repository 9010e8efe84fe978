"""How many queue messages a second the host's own process handles, its worker left out.

Queue listener, dispatcher, history and embedded account are real and durable; the worker is a
coroutine that returns its message, so what remains is what each message costs the host. Next
to it the bound: the account alone, taking in the same batches and writing an output and a
completion for each message. Rates are per second of processor time, which other programs on
the machine disturb less. Round after round, all of them in one process.

    python bench/dispatch.py [--messages 10000] [--rounds 3] [--profile]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import json
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import results
import uvloop

from triggerfish.bindings.queue import QueueTrigger
from triggerfish.bindings.registry import Services, bind
from triggerfish.dispatcher import Dispatcher
from triggerfish.history.ledger import open_ledger
from triggerfish.listeners.consume import HIDE_FOR, Pace
from triggerfish.listeners.queue import QueueListener
from triggerfish.model import (
    RETURN,
    Binding,
    DeleteMessage,
    Effect,
    Function,
    InvocationRequest,
    InvocationResult,
    LogLine,
    PutMessage,
)
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.server import open_account

BODY: Final = json.dumps({"order": 1234, "customer": "c-17", "price": 12.5, "count": 3})
PACE: Final = Pace(16, 16, timedelta(seconds=2))  # the defaults on two processors
CHUNK: Final = 500
SHOWN: Final = 40  # lines of a profile
FORWARD: Final = Function(
    "forward",
    (
        Binding("msg", "queueTrigger", "in", {"queueName": "inbox"}),
        Binding(RETURN, "queue", "out", {"queueName": "outbox"}),
    ),
    "app",
    "function_app.py",
)


class NoHistory:
    """A ledger that keeps nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


def log(_line: LogLine) -> None:
    """Nobody looks."""


async def echo(request: InvocationRequest) -> InvocationResult:
    await asyncio.sleep(0)  # a worker answers later
    return InvocationResult({RETURN: request.inputs["msg"]})


async def through_the_host(account: EmbeddedAccount, ledger: Any, messages: int) -> None:
    """Forward ``messages`` from queue to queue."""
    plan = bind(FORWARD, Services(lambda _: account, account, "base64", None))
    assert isinstance(plan.trigger, QueueTrigger)
    clock, stopping, left = SystemClock(), asyncio.Event(), messages

    async def run(request: InvocationRequest) -> InvocationResult:
        nonlocal left
        left -= 1
        if not left:
            stopping.set()
        return await echo(request)

    await QueueListener(
        trigger=plan.trigger,
        pace=PACE,
        visibility_timeout=timedelta(),
        max_dequeue_count=5,
        invoke=Dispatcher({FORWARD.name: plan}, run, ledger, log, clock).invoke,
        ledger=ledger,
        clock=clock,
        log=log,
    ).listen(stopping)


async def through_the_account(account: EmbeddedAccount, messages: int) -> None:
    """Do the same to the account, and nothing else."""
    slots = asyncio.Semaphore(PACE.batch_size + PACE.new_batch_threshold)

    async def settle(effects: list[Effect]) -> None:
        await account.apply(effects)
        slots.release()

    async with asyncio.TaskGroup() as group:
        done = 0
        while done < messages:
            taken = await account.queues.take("inbox", count=PACE.batch_size, hide_for=HIDE_FOR)
            for message in taken:
                await slots.acquire()
                completion = DeleteMessage("inbox", message.id, message.pop_receipt)
                group.create_task(settle([PutMessage("outbox", message.text), completion]))
                done += 1


async def account_alone(account: EmbeddedAccount, _ledger: Any, messages: int) -> None:
    await through_the_account(account, messages)


async def without_history(account: EmbeddedAccount, _ledger: Any, messages: int) -> None:
    await through_the_host(account, NoHistory(), messages)


Measure = Callable[[EmbeddedAccount, Any, int], Awaitable[None]]
MEASURES: Final[dict[str, Measure]] = {
    "the account alone": account_alone,
    "the host without history": without_history,
    "the host": through_the_host,
}


async def rate(measure: Measure, messages: int, profile: cProfile.Profile | None) -> float:
    """Return messages per second of processor time."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with (
            open_account(Path(folder)) as stores,
            open_ledger(Path(folder), report=log) as ledger,
        ):
            account = EmbeddedAccount(stores, blob_endpoint="", log=log)
            text = base64.b64encode(BODY.encode()).decode()
            for _ in range(messages // CHUNK):
                await account.apply([PutMessage("inbox", text)] * CHUNK)
            if profile:
                profile.enable()
            began = time.process_time()
            await measure(account, ledger, messages)
            await ledger.flush()
            seconds = time.process_time() - began
            if profile:
                profile.disable()
            assert await account.queues.count("outbox") == messages
            return messages / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="show where the host's time goes")
    results.add_option(parser)
    given = parser.parse_args()
    messages = given.messages - given.messages % CHUNK
    profile = cProfile.Profile() if given.profile else None
    found = results.Results()
    for _ in range(given.rounds):
        for name, measure in MEASURES.items():
            watched = profile if measure is through_the_host else None
            found.add(name, uvloop.run(rate(measure, messages, watched)))
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
    bound = "the account alone"
    rows = [
        (name, results.number(found.median(name)), found.range(name), found.ratio(name, bound))
        for name in MEASURES
    ]
    print(results.table(("queue to queue", "per CPU second", "range", "of the account"), rows))
    results.write("dispatch", {"messages": messages, "per_second": found.medians()}, given.json)


if __name__ == "__main__":
    main()
