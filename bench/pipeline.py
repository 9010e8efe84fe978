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
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import account
import peers
import results
import uvloop
from pipeline_peers import dramatiq_rate, huey_rate
from pipeline_rate import INBOX, OUTBOX, Rate, order, rate
from pool_roundtrip import echo_rate
from programs import free_ports, program, triggerfish

from triggerfish.model import PutMessage
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.server import open_account

DEFAULT_BATCH_SIZE: Final = 16  # of host.json; a batch of 32 is the largest there is
LARGEST_BATCH_SIZE: Final = 32
ECHO_SECONDS: Final = 2.0
CHUNK: Final = 1000

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
