"""What storage.py asks of a server: each operation, and what a round finds there.

Used by storage.py; measures nothing itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Final

import account
from account import request
from connections import Request, drive
from programs import cpu_seconds
from storage_servers import Server

from triggerfish_storage.protocol.auth import ServiceName

KIB: Final = 1024
MIB: Final = 1024 * KIB
LISTED: Final = "listed"  # a container that stays from round to round
LISTED_BLOBS: Final = 1000
NAMES: Final = 50_000  # of what is new each time: a server that took all of them is done sooner
FEW: Final = range(NAMES, NAMES + 32)  # what is read: that is there before, on every server


@dataclass
class Asked:
    """One server, and what a round has put there so far."""

    server: Server
    options: argparse.Namespace
    place: str = ""  # the queue, container or table of this round
    receipts: Sequence[tuple[str, str]] = ()
    lists: bool = False  # whether the container is there that is listed
    micros: float = 0.0  # of processor time for each request that was driven last

    async def drive(
        self,
        service: ServiceName,
        requests: Iterator[Request] | Sequence[Request],
        *,
        keeps: bool = False,
    ) -> tuple[float, list[bytes]]:
        before, began = cpu_seconds(self.server.process_id), time.perf_counter()
        rate, bodies = await drive(
            self.server.ports[service],
            requests,
            connections=self.options.connections,
            seconds=self.options.seconds,
            keeps=keeps,
        )
        answered = rate * (time.perf_counter() - began)
        used = cpu_seconds(self.server.process_id) - before
        self.micros = used / max(answered, 1) * 1e6
        return rate, bodies

    async def once(self, service: ServiceName, requests: Sequence[Request]) -> None:
        """Send requests that are not measured."""
        await drive(self.server.ports[service], requests, connections=8, seconds=30)


# --- queues -----------------------------------------------------------------------------------


async def put_message(asked: Asked) -> float:
    one = request("queue", "POST", f"/{asked.place}/messages", body=account.message_body())
    rate, _ = await asked.drive("queue", cycle([one]))
    return rate


async def get_message(asked: Asked) -> float:
    count = account.message_count(asked.server.ports["queue"], asked.place)
    one = request("queue", "GET", f"/{asked.place}/messages", "visibilitytimeout=3600")
    rate, bodies = await asked.drive("queue", [one] * count, keeps=True)
    asked.receipts = account.all_received(bodies)
    return rate


async def delete_message(asked: Asked) -> float:
    path = f"/{asked.place}/messages"
    requests = [
        request("queue", "DELETE", f"{path}/{id_}", account.delete_query(receipt))
        for id_, receipt in asked.receipts
    ]
    rate, _ = await asked.drive("queue", requests)
    return rate


# --- blobs ------------------------------------------------------------------------------------


def put_requests(place: str, size: int, names: Iterable[int]) -> list[Request]:
    content = bytes(size)
    return [
        request("blob", "PUT", f"/{place}/b{size}-{name}", body=content, headers=account.BLOCK_BLOB)
        for name in names
    ]


async def put_small(asked: Asked) -> float:
    rate, _ = await asked.drive("blob", put_requests(asked.place, KIB, range(NAMES)))
    return rate


async def put_large(asked: Asked) -> float:
    rate, _ = await asked.drive("blob", cycle(put_requests(asked.place, MIB, range(32))))
    return rate


async def make_blobs(asked: Asked, *, size: int) -> None:
    await asked.once("blob", put_requests(asked.place, size, FEW))


async def get_blob(asked: Asked, *, size: int) -> float:
    paths = [f"/{asked.place}/b{size}-{name}" for name in FEW]
    rate, _ = await asked.drive("blob", cycle([request("blob", "GET", path) for path in paths]))
    return rate


async def make_listed(asked: Asked) -> None:
    if not asked.lists:
        await asked.once("blob", [made("blob", LISTED)])
        await asked.once("blob", put_requests(LISTED, 100, range(LISTED_BLOBS)))
        asked.lists = True


async def list_blobs(asked: Asked) -> float:
    one = request("blob", "GET", f"/{LISTED}", "restype=container&comp=list")
    rate, _ = await asked.drive("blob", cycle([one]))
    return rate


# --- tables -----------------------------------------------------------------------------------


def insert_requests(table: str, rows: Iterable[int]) -> list[Request]:
    return [
        request("table", "POST", f"/{table}", body=account.entity(row), headers=account.JSON)
        for row in rows
    ]


async def insert_entity(asked: Asked) -> float:
    rate, _ = await asked.drive("table", insert_requests(asked.place, range(NAMES)))
    return rate


async def make_entities(asked: Asked) -> None:
    await asked.once("table", insert_requests(asked.place, FEW))


async def query_entity(asked: Asked) -> float:
    paths = [f"/{asked.place}(PartitionKey='p',RowKey='{row}')" for row in FEW]
    requests = [request("table", "GET", path, headers=account.JSON) for path in paths]
    rate, _ = await asked.drive("table", cycle(requests))
    return rate


# --- what is measured -------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A row of the table: its service, what it sends, and the bytes in and out for the bound."""

    service: ServiceName
    run: Callable[[Asked], Awaitable[float]]
    bytes_in: int = 0
    bytes_out: int = 0
    aim: float = 10.0
    after: str = ""  # the operation that makes what this one finds
    make: Callable[[Asked], Awaitable[None]] | None = None  # what makes it before a round


OPERATIONS: Final[Mapping[str, Operation]] = {
    "put message": Operation("queue", put_message, 100, 400),
    "get message": Operation("queue", get_message, 0, 400, after="put message"),
    "delete message": Operation("queue", delete_message, after="get message"),
    "put blob, 1 KiB": Operation("blob", put_small, KIB),
    "get blob, 1 KiB": Operation(
        "blob", partial(get_blob, size=KIB), 0, KIB, make=partial(make_blobs, size=KIB)
    ),
    "put blob, 1 MiB": Operation("blob", put_large, MIB, aim=5.0),
    "get blob, 1 MiB": Operation(
        "blob", partial(get_blob, size=MIB), 0, MIB, aim=5.0, make=partial(make_blobs, size=MIB)
    ),
    "list 1,000 blobs": Operation("blob", list_blobs, 0, 500 * KIB, make=make_listed),
    "insert entity": Operation("table", insert_entity, 100, 200),
    "query entity": Operation("table", query_entity, 0, 200, make=make_entities),
}


async def prepare(asked: Asked, number: int, operations: Sequence[Operation]) -> None:
    """Make the places of a round, and what operations find in them."""
    asked.place = f"round{number}"
    for service in {operation.service for operation in operations}:
        await asked.once(service, [made(service, asked.place)])
    for operation in operations:
        if operation.make is not None:
            await operation.make(asked)


def made(service: ServiceName, place: str) -> Request:
    """Return the request that makes a queue, container or table."""
    if service == "queue":
        return request("queue", "PUT", f"/{place}")
    if service == "blob":
        return request("blob", "PUT", f"/{place}", "restype=container")
    body = f'{{"TableName":"{place}"}}'.encode()
    return request("table", "POST", "/Tables", body=body, headers=account.JSON)
