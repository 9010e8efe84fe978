"""What a queue message costs the host's process, stage by stage, in microseconds of processor time.

Each measure forwards the same messages from queue to queue and has one more stage than the one
above it, so that the difference is what the stage costs: the account alone, taking in batches and
writing an output and a completion for each message; then listener, bindings and dispatcher; the
history; log lines, written to a file; and at last a worker, which until then is a coroutine that
returns its message. Everything is real and durable. Processor time is what other programs on the
machine disturb least, and the best of several rounds is what they disturbed least of all. One
thread runs the event loop and bounds the rate; what the other threads use stands beside it.

    python bench/dispatch.py [--messages 10000] [--rounds 5] [--profile]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import gc
import json
import os
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import results
import uvloop

from triggerfish.bindings.queue import QueueTrigger
from triggerfish.bindings.registry import Services, bind
from triggerfish.composition import log_to
from triggerfish.console import Console
from triggerfish.dispatcher import Dispatcher, Run
from triggerfish.history.ledger import open_ledger
from triggerfish.interpreter import Interpreter
from triggerfish.listeners.consume import Pace
from triggerfish.listeners.holding import HIDE_FOR
from triggerfish.listeners.queue import QueueListener
from triggerfish.log_filter import LogFilter
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
from triggerfish.pool.app import AppToLoad
from triggerfish.pool.generation import start_generation
from triggerfish.pool.options import PoolOptions
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.server import open_account

BODY: Final = json.dumps({"order": 1234, "customer": "c-17", "price": 12.5, "count": 3})
PACE: Final = Pace(16, 8, timedelta(seconds=2))
CHUNK: Final = 500
SHOWN: Final = 40  # lines of a profile
APP: Final = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="msg", queue_name="inbox", connection="")
@app.queue_output(arg_name="$return", queue_name="outbox", connection="")
def forward(msg: func.QueueMessage) -> str:
    return msg.get_body().decode()
"""
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


def nobody_looks(_line: LogLine) -> None:
    """Log nothing."""


async def echo(request: InvocationRequest) -> InvocationResult:
    await asyncio.sleep(0)  # a worker answers later
    return InvocationResult({RETURN: request.inputs["msg"]})


class Stages(NamedTuple):
    """What forwards the messages: all but listener, dispatcher and account may be left out."""

    account: EmbeddedAccount
    ledger: Any
    log: Callable[[LogLine], None]
    run: Run


async def through_the_host(stages: Stages, messages: int) -> None:
    """Forward ``messages`` from queue to queue."""
    account, ledger, log, run = stages
    plan = bind(FORWARD, Services(lambda _: account, account, "base64", None))
    assert isinstance(plan.trigger, QueueTrigger)
    clock, stopping, left = SystemClock(), asyncio.Event(), messages

    async def counted(request: InvocationRequest) -> InvocationResult:
        nonlocal left
        left -= 1
        if not left:
            stopping.set()
        return await run(request)

    await QueueListener(
        trigger=plan.trigger,
        pace=PACE,
        visibility_timeout=timedelta(),
        max_dequeue_count=5,
        invoke=Dispatcher({FORWARD.name: plan}, counted, ledger, log, clock).invoke,
        ledger=ledger,
        clock=clock,
        log=log,
    ).listen(stopping)


async def through_the_account(stages: Stages, messages: int) -> None:
    """Do the same to the account, and nothing else."""
    account = stages.account
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


STAGES: Final = (
    "the account",
    "listener, bindings, dispatcher",
    "history",
    "log lines",
    "a worker",
)


@contextmanager
def console(path: Path) -> Iterator[Console]:
    with (
        path.open("w") as stream,
        Console(stream, log_filter=LogFilter(), clock=SystemClock()) as lines,
    ):
        yield lines


def app(folder: Path) -> AppToLoad:
    folder.mkdir()
    Path(folder, "function_app.py").write_text(APP)
    return AppToLoad(folder, "function_app.py")


@asynccontextmanager
async def opened(stages: int, folder: Path) -> AsyncIterator[Stages]:
    """Open the first ``stages`` of ``STAGES``."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_account(folder))
        account = EmbeddedAccount(stores, blob_endpoint="", log=nobody_looks)
        ledger: Any = NoHistory()
        log: Callable[[LogLine], None] = nobody_looks
        run = echo
        if stages > STAGES.index("history"):
            ledger = await stack.enter_async_context(open_ledger(folder, report=nobody_looks))
        if stages > STAGES.index("log lines"):
            log = log_to(stack.enter_context(console(folder / "lines.log")), ledger)
        if stages > STAGES.index("a worker"):
            version = (sys.version_info[0], sys.version_info[1])
            interpreter = Interpreter(Path(sys.executable), version, "the one that runs this")
            options = PoolOptions(interpreter, dict(os.environ))
            generation = start_generation(app(folder / "app"), options, log)
            run = (await stack.enter_async_context(generation)).invoke
        yield Stages(account, ledger, log, run)


class Cost(NamedTuple):
    """Microseconds of processor time for one message."""

    loop: float  # on the event loop's thread
    all: float


async def cost(stages: int, messages: int, profile: cProfile.Profile | None) -> Cost:
    """Return what a message costs with the first ``stages`` of ``STAGES``."""
    forward: Callable[[Stages, int], Awaitable[None]]
    forward = through_the_host if stages > 1 else through_the_account
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with opened(stages, Path(folder)) as host:
            text = base64.b64encode(BODY.encode()).decode()
            for put in range(0, messages, CHUNK):
                chunk = [PutMessage("inbox", text)] * min(CHUNK, messages - put)
                await host.account.apply(chunk)
            gc.collect()
            if profile:
                profile.enable()
            loop, everything = time.thread_time(), time.process_time()
            await forward(host, messages)
            await host.ledger.flush() if stages > STAGES.index("history") else None
            loop, everything = time.thread_time() - loop, time.process_time() - everything
            if profile:
                profile.disable()
            assert await host.account.queues.count("outbox") == messages
            return Cost(1e6 * loop / messages, 1e6 * everything / messages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="show where the host's time goes")
    results.add_option(parser)
    given = parser.parse_args()
    messages = given.messages
    profile = cProfile.Profile() if given.profile else None
    found: dict[int, list[Cost]] = {}
    for _ in range(given.rounds):
        for stages in range(1, len(STAGES) + 1):
            watched = profile if stages == len(STAGES) else None
            found.setdefault(stages, []).append(uvloop.run(cost(stages, messages, watched)))
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
    best = [Cost(*map(min, zip(*costs, strict=True))) for costs in found.values()]
    before = [Cost(0, 0), *best]
    rows = [
        (
            f"{'+ ' if number else ''}{name}",
            results.number(best[number].loop - before[number].loop),
            results.number(best[number].all - before[number].all),
            results.number(best[number].loop),
            results.number(best[number].all),
        )
        for number, name in enumerate(STAGES)
    ]
    print(results.table(("µs for a message", "loop", "all", "so far: loop", "all"), rows))
    costs = {name: best[number]._asdict() for number, name in enumerate(STAGES)}
    results.write("dispatch", {"messages": messages, "microseconds_so_far": costs}, given.json)


if __name__ == "__main__":
    main()
