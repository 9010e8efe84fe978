"""How many invocations per second go through the pool, and what bounds them.

One worker, a trivial synchronous queue function, a number of invocations in flight; next
to it a bare echo over the same kind of socket with as many frames in flight, in one run.
The host's side and the worker share the machine. Prints a table and one JSON line.

    python bench/pool_roundtrip.py [--in-flight 32] [--seconds 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import results
import uvloop

from triggerfish.interpreter import Interpreter
from triggerfish.model import Datum, InvocationRequest, LogLine
from triggerfish.pool.app import AppToLoad
from triggerfish.pool.connection import Connection
from triggerfish.pool.generation import start_generation
from triggerfish.pool.options import PoolOptions
from triggerfish.worker import frames

APP = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="msg", queue_name="in", connection="")
@app.queue_output(arg_name="$return", queue_name="out", connection="")
def message(msg: func.QueueMessage) -> str:
    return msg.get_body().decode()


@app.queue_trigger(arg_name="msg", queue_name="in", connection="")
@app.queue_output(arg_name="$return", queue_name="out", connection="")
def text(msg: str) -> str:
    return msg


@app.queue_trigger(arg_name="msg", queue_name="in", connection="")
@app.queue_output(arg_name="$return", queue_name="out", connection="")
async def on_the_loop(msg: func.QueueMessage) -> str:
    return msg.get_body().decode()
"""

ECHO = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[1]))
while data := link.recv(262144):
    link.sendall(data)
"""

TIME = "2024-01-02T03:04:05+00:00"
BODY = json.dumps({"order": 1234, "customer": "c-17", "lines": [1, 2, 3]})
METADATA = {
    "Id": "8e5f9c3e-0000-4000-8000-123456789012",
    "DequeueCount": "1",
    "InsertionTime": TIME,
    "ExpirationTime": TIME,
    "NextVisibleTime": TIME,
    "PopReceipt": "AgAAAAMAAAAAAAAA1234567890==",
    "QueueTrigger": BODY,
}


async def rate(once: Callable[[int], Awaitable[object]], in_flight: int, seconds: float) -> float:
    """Return how often ``once`` ended per second, with ``in_flight`` of it at all times."""
    until = time.perf_counter() + seconds
    done = 0

    async def keep_going() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await once(done)
            done += 1

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(keep_going())
    return done / (time.perf_counter() - started)


async def echo_rate(in_flight: int, seconds: float) -> float:
    """Return the rate of frames that come back from a process that does nothing else."""
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    with theirs:
        command = [sys.executable, "-c", ECHO, str(number)]
        child = await asyncio.to_thread(subprocess.Popen, command, pass_fds=[number])
    waiting: dict[int, asyncio.Future[None]] = {}
    connection = await Connection.open(
        ours, lambda head, _: waiting.pop(head[1]).set_result(None), lambda _: None
    )
    loop = asyncio.get_running_loop()
    numbers = iter(range(sys.maxsize))

    async def once(_: int) -> None:
        number = next(numbers)
        waiting[number] = future = loop.create_future()
        connection.send(frames.encode(["i", number, BODY]))
        await future

    result = await rate(once, in_flight, seconds)
    connection.close()
    await asyncio.to_thread(child.wait)
    return result


def request(function: str, number: int) -> InvocationRequest:
    return InvocationRequest(
        id=f"8e5f9c3e-0000-4000-8000-{number:012}",
        function=function,
        inputs={"msg": Datum("string", BODY)},
        metadata=METADATA,
    )


async def measure(folder: Path, in_flight: int, seconds: float, rounds: int) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    version = (sys.version_info[0], sys.version_info[1])
    interpreter = Interpreter(Path(sys.executable), version, "the one that runs this")
    app = AppToLoad(folder, script="function_app.py")
    options = PoolOptions(interpreter, dict(os.environ))
    async with start_generation(app, options, log) as generation:
        for _ in range(rounds):
            echo = await echo_rate(in_flight, seconds)
            found.setdefault("bare echo of frames", []).append(echo)
            for function in ("message", "text", "on_the_loop"):

                async def once(number: int, function: str = function) -> None:
                    result = await generation.invoke(request(function, number))
                    assert result.failure is None, result.failure

                invocations = await rate(once, in_flight, seconds)
                found.setdefault(function, []).append(invocations)
    return {name: median(values) for name, values in found.items()}


def log(line: LogLine) -> None:
    if line.level >= 3:
        print(line.message, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    results.add_option(parser)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        Path(folder, "function_app.py").write_text(APP)
        measuring = measure(Path(folder), given.in_flight, given.seconds, given.rounds)
        found = runner.run(measuring)
    bound = found["bare echo of frames"]
    rows = [(name, results.number(rate), f"{rate / bound:.2f}") for name, rate in found.items()]
    print(results.table(("round trips", "a second", "of the echo"), rows))
    results.write("pool_roundtrip", {"in_flight": given.in_flight, "per_second": found}, given.json)


if __name__ == "__main__":
    main()
