"""Messages a second from queue through function to queue, next to dramatiq and huey.

All do the same: take an order from a durable queue, run a function of two lines on it, and put
what it returns into another durable queue, with one worker process and as many threads. What
was acknowledged survives the end of the process everywhere, and a loss of power nowhere (WAL
without fsync; Redis with appendonly, fsync each second).
The queues are filled before the start; a rate counts from a tenth of the messages to the last,
so that the start of the programs is no part of it. Round after round, one program at a time.
Beside the rate stands the processor time that a message takes, in the busiest process and in
all: on a machine that others use too, it says more than the rate.

    python bench/pipeline.py [--messages 20000] [--rounds 3] [--threads 8]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import account
import peers
import results
import uvloop
from pool_roundtrip import echo_rate
from programs import (
    BenchmarkFailed,
    children,
    cpu_seconds,
    free_ports,
    listens,
    program,
    triggerfish,
    until,
)

from triggerfish.model import PutMessage
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.server import open_account

INBOX: Final = "inbox"
OUTBOX: Final = "outbox"
DEFAULT_BATCH_SIZE: Final = 16  # of host.json; a batch of 32 is the largest there is
LARGEST_BATCH_SIZE: Final = 32
WARM_UP: Final = 0.1
WITHIN_SECONDS: Final = 60.0
ECHO_SECONDS: Final = 2.0
CHUNK: Final = 1000
LOOK_EVERY_SECONDS: Final = 0.05  # a look that comes late makes a rate look worse

TRIGGERFISH: Final = "triggerfish"
LARGE_BATCHES: Final = "triggerfish, batchSize 32"
DRAMATIQ: Final = "dramatiq on Redis"
HUEY: Final = "huey on SQLite"
ECHO: Final = "bare echo over a pipe"

APP: Final = """
import json

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="inbox", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="outbox", connection="AzureWebJobsStorage")
def price(message: func.QueueMessage) -> str:
    order = json.loads(message.get_body())
    return json.dumps({**order, "total": order["price"] * order["count"]})
"""

DRAMATIQ_APP: Final = """
import json
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(port=int(os.environ["REDIS_PORT"])))


@dramatiq.actor(queue_name="outbox")
def priced(text): ...


@dramatiq.actor(queue_name="inbox")
def price(text):
    order = json.loads(text)
    priced.send(json.dumps({**order, "total": order["price"] * order["count"]}))
"""
DRAMATIQ_FEED: Final = "import sys, app\nfor line in sys.stdin: app.price.send(line.strip())"

HUEY_APP: Final = """
import json

from huey import SqliteHuey

inbox = SqliteHuey("inbox", filename="queues.db", fsync=False)
outbox = SqliteHuey("outbox", filename="queues.db", fsync=False)


@outbox.task()
def priced(text): ...


@inbox.task()
def price(text):
    order = json.loads(text)
    priced(json.dumps({**order, "total": order["price"] * order["count"]}))
"""
HUEY_FEED: Final = "import sys, app\nfor line in sys.stdin: app.price(line.strip())"


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


# --- triggerfish ------------------------------------------------------------------------------


def triggerfish_rate(
    folder: Path, given: argparse.Namespace, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> Rate:
    """Return the rate of one worker; ``batch_size`` is host.json's ``batchSize``."""
    messages: int = given.messages
    folder.mkdir()
    Path(folder, "function_app.py").write_text(APP)
    queues = {"batchSize": batch_size}
    Path(folder, "host.json").write_text(
        json.dumps({"version": "2.0", "extensions": {"queues": queues}})
    )
    asyncio.run(fill(folder / ".triggerfish", messages))
    port, blob, queue, table = map(str, free_ports(4))
    ports = ["--port", port, "--blob-port", blob, "--queue-port", queue, "--table-port", table]
    environment = {"PYTHON_THREADPOOL_THREAD_COUNT": str(given.threads)}
    command = triggerfish("start", folder, "--no-reload", *ports)
    with program(command, log=folder / "out.log", environment=environment) as host:
        return rate(lambda: account.message_count(int(queue), OUTBOX), messages, of=[host.pid])


async def fill(data: Path, messages: int) -> None:
    """Put the orders into the account's folder, as a client's texts would lie there."""
    async with open_account(data) as storage:
        embedded = EmbeddedAccount(storage, blob_endpoint="", log=print)
        for first in range(0, messages, CHUNK):
            numbers = range(first, min(first + CHUNK, messages))
            texts = [base64.b64encode(order(number).encode()).decode() for number in numbers]
            await embedded.apply([PutMessage(INBOX, text) for text in texts])


# --- peers ------------------------------------------------------------------------------------


def dramatiq_rate(folder: Path, given: argparse.Namespace) -> Rate:
    python = peers.python_with("dramatiq", install="dramatiq[redis]", peers=given.peers)
    folder.mkdir()
    Path(folder, "app.py").write_text(DRAMATIQ_APP)
    with redis(folder) as (port, redis_pid):
        environment = {"REDIS_PORT": str(port)}
        feed([python, "-c", DRAMATIQ_FEED], folder, given.messages, environment)
        command = [python, "-m", "dramatiq", "app", "--queues", INBOX, "--processes", "1"]
        command += ["--threads", str(given.threads)]
        with (
            program(
                command, folder=folder, environment=environment, log=folder / "out.log"
            ) as workers,
            closing(socket.create_connection(("127.0.0.1", port))) as asking,
        ):
            count = partial(length, asking, f"dramatiq:{OUTBOX}")
            return rate(count, given.messages, of=[workers.pid, redis_pid])


@contextmanager
def redis(folder: Path) -> Iterator[tuple[int, int]]:
    """Run a Redis of our own, which keeps what it has acknowledged; give port and process."""
    [port] = free_ports(1)
    options = ["--port", str(port), "--dir", folder, "--appendonly", "yes", "--save", ""]
    log = folder / "redis.log"
    with program([peers.redis_server(), *options], log=log) as process:
        until(lambda: listens(port), within=10, what="Redis", process=process, log=log)
        yield port, process.pid


def length(asking: socket.socket, key: str) -> int:
    asking.sendall(f"LLEN {key}\r\n".encode())
    return int(asking.recv(64)[1:])


def huey_rate(folder: Path, given: argparse.Namespace) -> Rate:
    python = peers.python_with("huey", install="huey", peers=given.peers)
    folder.mkdir()
    Path(folder, "app.py").write_text(HUEY_APP)
    feed([python, "-c", HUEY_FEED], folder, given.messages)
    command = [python, "-m", "huey.bin.huey_consumer", "app.inbox", "--workers", str(given.threads)]
    with (
        program(command, folder=folder, log=folder / "out.log") as consumer,
        closing(sqlite3.connect(folder / "queues.db")) as database,
    ):
        return rate(partial(tasks, database), given.messages, of=[consumer.pid])


def tasks(database: sqlite3.Connection) -> int:
    [(count,)] = database.execute("SELECT count(*) FROM task WHERE queue = ?", [OUTBOX])
    return int(count)


def feed(
    command: list[str | Path],
    folder: Path,
    messages: int,
    environment: dict[str, str] | None = None,
) -> None:
    """Have a peer's own client put the orders into its queue."""
    orders = "".join(order(number) + "\n" for number in range(messages))
    subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        input=orders.encode(),
        check=True,
        timeout=WITHIN_SECONDS,
    )


def pipe_rate(_: Path, given: argparse.Namespace) -> Rate:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return Rate(runner.run(echo_rate(DEFAULT_BATCH_SIZE * 3 // 2, ECHO_SECONDS)))


MEASURES: Final[dict[str, Callable[[Path, argparse.Namespace], Rate]]] = {
    TRIGGERFISH: triggerfish_rate,
    LARGE_BATCHES: partial(triggerfish_rate, batch_size=LARGEST_BATCH_SIZE),
    DRAMATIQ: dramatiq_rate,
    HUEY: huey_rate,
    ECHO: pipe_rate,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=8)
    peers.add_option(parser)
    results.add_option(parser)
    given = parser.parse_args()
    rates, busiest, everything = results.Results(), results.Results(), results.Results()
    absent = set()
    for number in range(given.rounds):
        for name in [name for name in MEASURES if name not in absent]:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                try:
                    found = MEASURES[name](Path(folder, "work"), given)
                except peers.Absent as missing:
                    absent.add(name)
                    print(f"{name} is left out: {missing}", file=sys.stderr)
                    continue
            rates.add(name, found.per_second)
            busiest.add(name, found.busiest_us)
            everything.add(name, found.all_us)
            print(f"round {number + 1}: {name}: {found}", file=sys.stderr)
    rows = [
        (
            name,
            results.number(rates.median(name)),
            rates.range(name),
            rates.ratio(TRIGGERFISH, name),
            *(results.number(found.median(name)) for found in (busiest, everything)),
        )
        for name in MEASURES
        if name in rates
    ]
    head = ("queue, function, queue", "per second", "range", "we are", "µs, busiest", "µs, all")
    print(results.table(head, rows))
    options = {name: vars(given)[name] for name in ("messages", "threads")}
    found_all = {"per_second": rates, "busiest_us": busiest, "all_us": everything}
    medians = {name: found.medians() for name, found in found_all.items()}
    results.write("pipeline", {**options, **medians}, given.json)


if __name__ == "__main__":
    main()
