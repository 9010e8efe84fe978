"""What an operation costs where a thousand of a kind are stored, and where a million are.

Two accounts are filled in process, one with a thousand messages in a queue, blobs in a
container, entities in a table and so on, one with a million, and are served by two programs
that are asked in turn, operation by operation, round after round, by sixteen connections. A
ratio of 1.0 says that the rate does not fall. Beside the rate stands the processor time of
the server: on a machine that others use too, it says more.

At the end the queue, container and table that were filled for it are deleted: the time until
that is acknowledged, and the slowest of the small requests that others send while the rows go.

    python bench/scale.py [--count 1000000] [--keep FOLDER] [--seconds 1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final
from urllib.parse import quote

import results
import scale_fill
import uvloop
from connections import Request, drive
from programs import cpu_seconds, free_ports, listens, program, triggerfish, until
from storage import escaped, request

from triggerfish_storage.blobs.listing import Position
from triggerfish_storage.blobs.names import marker_text
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.tables.wire import continuation

FEW: Final = 1_000
SAMPLE: Final = 2_000  # different requests of one kind; they go round
NEW: Final = 60_000  # more than a server takes in the time
_RECEIVED: Final = re.compile(rb"<MessageId>([^<]+)<.*?<PopReceipt>([^<]+)<", re.DOTALL)
_BLOCK_BLOB: Final = {"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"}
_JSON: Final = {"accept": "application/json;odata=nometadata", "content-type": "application/json"}


@dataclass
class Server:
    """A running account that holds ``count`` of everything."""

    count: int
    folder: Path
    process: subprocess.Popen[bytes]
    ports: Mapping[ServiceName, int]
    start_seconds: float
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    added: int = 0
    receipts: list[tuple[str, str]] = field(default_factory=list)

    def some(self) -> Iterator[int]:
        """Give numbers of what was there from the start, anywhere among it."""
        for _ in range(SAMPLE):
            yield self.chance.randrange(self.count)

    def early(self) -> Iterator[int]:
        """Give numbers with a few hundred more behind them."""
        for _ in range(SAMPLE):
            yield self.chance.randrange(self.count // 2)

    def new(self) -> Iterator[int]:
        """Give numbers that are not taken, in no order."""
        first, self.added = self.added, self.added + NEW
        yield from self.chance.sample(range(10**7 + first, 10**7 + first + NEW), NEW)


Requests = Callable[[Server], Iterator[Request]]


# --- queues -----------------------------------------------------------------------------------

_MESSAGES: Final = f"/{scale_fill.QUEUE}/messages"


def put_message(_: Server) -> Iterator[Request]:
    body = f"<QueueMessage><MessageText>{scale_fill.TEXT}</MessageText></QueueMessage>".encode()
    return cycle([request("queue", "POST", _MESSAGES, body=body)])


def get_message(_: Server) -> Iterator[Request]:
    return cycle([request("queue", "GET", _MESSAGES, "visibilitytimeout=3600")])


def peek_messages(_: Server) -> Iterator[Request]:
    return cycle([request("queue", "GET", _MESSAGES, "peekonly=true&numofmessages=32")])


def delete_message(server: Server) -> Iterator[Request]:
    taken, server.receipts = server.receipts, []
    for id_, receipt in taken:
        query = f"popreceipt={escaped(receipt)}"
        yield request("queue", "DELETE", f"{_MESSAGES}/{id_}", query)


def queue_metadata(_: Server) -> Iterator[Request]:
    return cycle([request("queue", "GET", f"/{scale_fill.QUEUE}", "comp=metadata")])


def list_queues(server: Server) -> Iterator[Request]:
    return cycle(_listings(server, "queue", lambda number: f"listed-{number:08}"))


# --- blobs ------------------------------------------------------------------------------------


def _blob(number: int) -> str:
    return f"/{scale_fill.CONTAINER}/{scale_fill.blob_name(number)}"


def put_blob(server: Server) -> Iterator[Request]:
    for number in server.new():
        yield request("blob", "PUT", _blob(number), body=scale_fill.BODY, headers=_BLOCK_BLOB)


def overwrite_blob(server: Server) -> Iterator[Request]:
    for number in server.some():
        yield request("blob", "PUT", _blob(number), body=scale_fill.BODY, headers=_BLOCK_BLOB)


def get_blob(server: Server) -> Iterator[Request]:
    return cycle([request("blob", "GET", _blob(number)) for number in server.some()])


_LIST: Final = "restype=container&comp=list"


def list_blobs(server: Server) -> Iterator[Request]:
    """A page of a hundred, from anywhere."""
    path, query = f"/{scale_fill.CONTAINER}", f"{_LIST}&maxresults=100&marker="
    starts = [Position(scale_fill.blob_name(number)) for number in server.early()]
    return cycle([request("blob", "GET", path, query + escaped(marker_text(s))) for s in starts])


def list_prefix(server: Server) -> Iterator[Request]:
    """The blobs whose names differ in the last digit."""
    path, query = f"/{scale_fill.CONTAINER}", f"{_LIST}&prefix="
    prefixes = [scale_fill.blob_name(number)[:-1] for number in server.some()]
    return cycle([request("blob", "GET", path, query + quote(p, safe="")) for p in prefixes])


def list_folders(_: Server) -> Iterator[Request]:
    return cycle([request("blob", "GET", f"/{scale_fill.CONTAINER}", f"{_LIST}&delimiter=%2F")])


def find_by_tags(_: Server) -> Iterator[Request]:
    query = "comp=blobs&maxresults=50&where=" + quote("kind='rare'", safe="")
    return cycle([request("blob", "GET", "/", query)])


def list_containers(server: Server) -> Iterator[Request]:
    return cycle(_listings(server, "blob", lambda number: f"listed-{number:08}"))


def _listings(
    server: Server, service: ServiceName, name: Callable[[int], str]
) -> Iterator[Request]:
    for number in server.early():
        query = f"comp=list&prefix=listed&maxresults=100&marker={name(number)}"
        yield request(service, "GET", "/", query)


# --- tables -----------------------------------------------------------------------------------


def insert_entity(server: Server) -> Iterator[Request]:
    for number in server.new():
        keys = scale_fill.keys_in_many(number)
        body = f'{{"PartitionKey":"{keys.partition}","RowKey":"{keys.row}","Total":99.5}}'
        path = f"/{scale_fill.MANY_PARTITIONS}"
        yield request("table", "POST", path, body=body.encode(), headers=_JSON)


def get_entity(server: Server) -> Iterator[Request]:
    requests = []
    for number in server.some():
        keys = scale_fill.keys_in_one(number)
        path = f"/{scale_fill.ONE_PARTITION}(PartitionKey='{keys.partition}',RowKey='{keys.row}')"
        requests.append(request("table", "GET", path, headers=_JSON))
    return cycle(requests)


def query_rows(server: Server) -> Iterator[Request]:
    """A hundred rows of the only partition."""
    return cycle(
        _queries(
            scale_fill.ONE_PARTITION,
            [
                f"PartitionKey eq 'p' and RowKey ge '{number:08}' and RowKey lt '{number + 100:08}'"
                for number in server.early()
            ],
        )
    )


def query_partition(server: Server) -> Iterator[Request]:
    """All of one partition among many: a hundred entities."""
    numbers = server.some()
    filters = [f"PartitionKey eq '{scale_fill.keys_in_many(n).partition}'" for n in numbers]
    return cycle(_queries(scale_fill.MANY_PARTITIONS, filters))


def query_filtered(server: Server) -> Iterator[Request]:
    """Go on with a query by a property, which looks at a hundred entities for each it finds."""
    query = "$filter=Kind%20eq%20'rare'&$top=3"
    requests = []
    for number in server.early():
        keys = scale_fill.keys_in_many(number)
        start = f"NextPartitionKey={continuation(keys.partition)}"
        start += f"&NextRowKey={continuation(keys.row)}"
        path = f"/{scale_fill.MANY_PARTITIONS}()"
        requests.append(request("table", "GET", path, f"{query}&{start}", headers=_JSON))
    return cycle(requests)


def query_tables(server: Server) -> Iterator[Request]:
    requests = []
    for number in server.early():
        start = f"$top=100&NextTableName={continuation(f'listed{number:08}')}"
        requests.append(request("table", "GET", "/Tables", start, headers=_JSON))
    return cycle(requests)


def _queries(table: str, filters: Sequence[str]) -> Iterator[Request]:
    for text in filters:
        query = "$filter=" + quote(text, safe="'")
        yield request("table", "GET", f"/{table}()", query, headers=_JSON)


# --- what is measured -------------------------------------------------------------------------

OPERATIONS: Final[Mapping[str, tuple[ServiceName, Requests]]] = {
    "put message": ("queue", put_message),
    "get message": ("queue", get_message),
    "delete message": ("queue", delete_message),
    "peek 32 messages": ("queue", peek_messages),
    "get queue metadata": ("queue", queue_metadata),
    "list 100 queues": ("queue", list_queues),
    "put blob": ("blob", put_blob),
    "overwrite blob": ("blob", overwrite_blob),
    "get blob": ("blob", get_blob),
    "list 100 blobs, anywhere": ("blob", list_blobs),
    "list by prefix": ("blob", list_prefix),
    "list by delimiter": ("blob", list_folders),
    "find 50 blobs by tags": ("blob", find_by_tags),
    "list 100 containers": ("blob", list_containers),
    "insert entity": ("table", insert_entity),
    "get entity": ("table", get_entity),
    "query 100 rows": ("table", query_rows),
    "query partition": ("table", query_partition),
    "query by property": ("table", query_filtered),
    "query 100 tables": ("table", query_tables),
}
_DELETED: Final[tuple[tuple[str, ServiceName, str, str], ...]] = (
    ("delete queue", "queue", f"/{scale_fill.DOOMED}", ""),
    ("delete container", "blob", f"/{scale_fill.DOOMED}", "restype=container"),
    ("delete table", "table", f"/Tables('{scale_fill.DOOMED}')", ""),
)
# What is deleted and still has rows.
_DISCARDED: Final = """
    SELECT 1 FROM backlog WHERE discarded = 1
    UNION ALL SELECT 1 FROM container WHERE account = ''
    UNION ALL SELECT 1 FROM entity_table WHERE account = ''
"""


@dataclass
class Found:
    """By operation and count: requests a second, and a request's processor time in µs."""

    rates: results.Results = field(default_factory=results.Results)
    micros: results.Results = field(default_factory=results.Results)
    once: results.Results = field(default_factory=results.Results)  # seconds


async def measure(servers: Sequence[Server], options: argparse.Namespace) -> Found:
    found = Found()
    wanted = {name for name in OPERATIONS if options.only in name}
    if "delete message" in wanted:
        wanted.add("get message")  # which gives the receipts
    for number in range(options.rounds):
        for name in OPERATIONS:
            for server in servers if name in wanted else ():
                await _measure(server, name, options, found)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for server in servers:
        found.once.add(f"start {server.count}", server.start_seconds)
        for name, service, path, query in _DELETED:
            if options.only in name:
                await _delete(server, name, request(service, "DELETE", path, query), found)
    return found


async def _measure(server: Server, name: str, options: argparse.Namespace, found: Found) -> None:
    service, requests = OPERATIONS[name]
    ready = requests(server)
    if not isinstance(ready, cycle):
        ready = iter(list(ready))  # signing is not what is measured
    before, began = cpu_seconds(server.process.pid), time.perf_counter()
    rate, bodies = await drive(
        server.ports[service],
        ready,
        connections=options.connections,
        seconds=options.seconds,
        keeps=name == "get message",
    )
    answered = rate * (time.perf_counter() - began)
    used = cpu_seconds(server.process.pid) - before
    matches = (_RECEIVED.search(body) for body in bodies)
    server.receipts += [(m[1].decode(), m[2].decode()) for m in matches if m]
    found.rates.add(f"{name} {server.count}", rate)
    found.micros.add(f"{name} {server.count}", used * 1e6 / answered)


async def _delete(server: Server, name: str, one: Request, found: Found) -> None:
    """Delete something large; then be other clients until its rows are gone."""
    count, port = server.count, server.ports["queue"]
    service = next(service for what, service, _, _ in _DELETED if what == name)
    began = time.perf_counter()
    await drive(server.ports[service], [one], connections=1, seconds=60)
    found.once.add(f"{name} {count}", time.perf_counter() - began)
    rate, _ = await drive(port, put_message(server), connections=16, seconds=1.0)
    found.rates.add(f"put message, after {name} {count}", rate)
    slowest = 0.0
    with closing(sqlite3.connect(f"file:{server.folder}/storage.db?mode=ro", uri=True)) as reader:
        while reader.execute(_DISCARDED).fetchone() is not None:
            sent = time.perf_counter()
            await drive(port, [next(put_message(server))], connections=1, seconds=60)
            slowest = max(slowest, time.perf_counter() - sent)
    found.once.add(f"{name}: rows gone {count}", time.perf_counter() - began)
    found.once.add(f"{name}: others at most {count}", slowest)


# --- servers ----------------------------------------------------------------------------------


def start(stack: contextlib.ExitStack, folder: Path, count: int) -> Server:
    """Fill a folder unless it is kept from before, and serve it."""
    data, log = folder / f"{count}", folder / f"{count}.log"
    if not (data / "storage.db").exists():
        command: list[str | Path] = [sys.executable, scale_fill.__file__, data, str(count)]
        subprocess.run(command, check=True)
    blob, queue, table = free_ports(3)
    ports: dict[ServiceName, int] = {"blob": blob, "queue": queue, "table": table}
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    began = time.perf_counter()
    command = triggerfish("storage", "--silent", "--data", data, *options)
    process = stack.enter_context(program(command, log=log))
    until(lambda: listens(table), within=60, what="account", process=process, log=log)
    return Server(count, data, process, ports, time.perf_counter() - began)


def rows(found: Found, few: int, many: int) -> Iterator[tuple[str, ...]]:
    for name in (*OPERATIONS, *(f"put message, after {name}" for name, *_ in _DELETED)):
        one, other = f"{name} {few}", f"{name} {many}"
        if one in found.rates:
            yield (
                name,
                results.number(found.rates.median(one)),
                results.number(found.rates.median(other)),
                found.rates.ratio(other, one),
                *_shown(found.micros, one, other),
            )


def _shown(micros: results.Results, one: str, other: str) -> tuple[str, str, str]:
    if one not in micros:
        return "", "", ""
    values = (results.number(micros.median(one)), results.number(micros.median(other)))
    return (*values, micros.ratio(other, one))


def once_rows(found: Found, few: int, many: int) -> Iterator[tuple[str, ...]]:
    names = ["start"]
    for name, *_ in _DELETED:
        names += [name, f"{name}: others at most", f"{name}: rows gone"]
    for name in names:
        one, other = f"{name} {few}", f"{name} {many}"
        if one in found.once:
            values = (found.once.median(one), found.once.median(other))
            yield (name, *(f"{1000 * value:,.0f}" for value in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="of everything")
    parser.add_argument("--keep", type=Path, help="folder for the filled accounts, used again")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each operation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="measure operations whose name has this in it")
    results.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        servers = [start(stack, folder, count) for count in (FEW, options.count)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(servers, options))
    few, many = f"{FEW:,}", f"{options.count:,}"
    head = ("a second", few, many, "ratio", "µs, " + few, "µs, " + many, "ratio")
    print(results.table(head, list(rows(found, FEW, options.count))))
    print()
    print(results.table(("ms", few, many), list(once_rows(found, FEW, options.count))))
    written = {"rates": found.rates, "micros": found.micros, "seconds": found.once}
    results.write(
        "scale",
        {"count": options.count, **{name: value.medians() for name, value in written.items()}},
        options.json,
    )


if __name__ == "__main__":
    main()
