"""Storage operations a second over HTTP, next to Azurite and to handlers that do nothing.

Sixteen connections of one client, which sends requests that were signed before; the servers
run at the same time and are asked in turn, operation by operation, round after round. All keep
what they acknowledged on disk. The bounds are the rates of a bare aiohttp handler and of a bare
httptools protocol, on uvloop as ours, that read and write as many bytes. Beside the rates stands
the processor time that a server takes for a request: what else the machine does changes it less.

    python bench/storage.py [--seconds 2] [--rounds 3] [--connections 16] [--only get]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import account
import bare_handler
import peers
import results
import uvloop
from connections import Request, drive
from programs import (
    BenchmarkFailed,
    cpu_seconds,
    free_ports,
    listens,
    program,
    triggerfish,
    until,
)

from triggerfish_storage.protocol.auth import ServiceName

US: Final = "triggerfish"
MICROS: Final = ", µs"
AZURITE: Final = "Azurite"
BOUNDS: Final = {f"bare {kind}": kind for kind in bare_handler.KINDS}

KIB: Final = 1024
MIB: Final = 1024 * KIB
LISTED: Final = 1000
NAMES: Final = 20_000  # more than any server takes in the time
LARGE_NAMES: Final = 32
TEXT: Final = "eyJvcmRlciI6IDEyMzQsICJjdXN0b21lciI6ICJjLTE3In0="
_RECEIVED: Final = re.compile(rb"<MessageId>([^<]+)<.*?<PopReceipt>([^<]+)<", re.DOTALL)
BLOCK_BLOB: Final = {"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"}
JSON: Final = {"accept": "application/json;odata=nometadata", "content-type": "application/json"}

Ports = Mapping[ServiceName, int]
Server = tuple[Ports, int]  # and the process's id


@dataclass
class Asked:
    """One server, and what a round has put there so far."""

    ports: Ports
    process_id: int
    options: argparse.Namespace
    place: str = ""  # the queue, container or table of this round
    receipts: Sequence[tuple[str, str]] = ()
    micros: float = 0.0  # of processor time for each request that was driven last

    async def drive(
        self,
        service: ServiceName,
        requests: Iterator[Request] | Sequence[Request],
        *,
        keeps: bool = False,
    ) -> tuple[float, list[bytes]]:
        before, began = cpu_seconds(self.process_id), time.perf_counter()
        rate, bodies = await drive(
            self.ports[service],
            requests,
            connections=self.options.connections,
            seconds=self.options.seconds,
            keeps=keeps,
        )
        answered = rate * (time.perf_counter() - began)
        self.micros = (cpu_seconds(self.process_id) - before) / max(answered, 1) * 1e6
        return rate, bodies


def request(
    service: ServiceName,
    method: str,
    path: str,
    query: str = "",
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Return a signed request as it goes over the wire: its head, and its body."""
    target, sent = account.head(service, method, path, query, length=len(body), headers=headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}\r\n".encode("ascii"), body


# --- queues -----------------------------------------------------------------------------------


async def put_message(asked: Asked) -> float:
    body = f"<QueueMessage><MessageText>{TEXT}</MessageText></QueueMessage>".encode()
    one = request("queue", "POST", f"/{asked.place}/messages", body=body)
    rate, _ = await asked.drive("queue", cycle([one]))
    return rate


async def get_message(asked: Asked) -> float:
    count = account.message_count(asked.ports["queue"], asked.place)
    one = request("queue", "GET", f"/{asked.place}/messages", "visibilitytimeout=3600")
    rate, bodies = await asked.drive("queue", [one] * count, keeps=True)
    asked.receipts = [received(body) for body in bodies]
    return rate


async def delete_message(asked: Asked) -> float:
    requests = [
        request(
            "queue", "DELETE", f"/{asked.place}/messages/{id_}", f"popreceipt={escaped(receipt)}"
        )
        for id_, receipt in asked.receipts
    ]
    rate, _ = await asked.drive("queue", requests)
    return rate


def received(body: bytes) -> tuple[str, str]:
    """Return the id and the pop receipt of the message that an answer gives."""
    found = _RECEIVED.search(body)
    if found is None:
        raise BenchmarkFailed(f"no message was received: {body!r}")
    return found[1].decode(), found[2].decode()


def escaped(receipt: str) -> str:
    return receipt.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


# --- blobs ------------------------------------------------------------------------------------


def put_requests(place: str, size: int, names: int) -> list[Request]:
    content = bytes(size)
    return [
        request("blob", "PUT", f"/{place}/b{size}-{name}", body=content, headers=BLOCK_BLOB)
        for name in range(names)
    ]


async def put_small(asked: Asked) -> float:
    rate, _ = await asked.drive("blob", put_requests(asked.place, KIB, NAMES))
    return rate


async def get_small(asked: Asked) -> float:
    return await get(asked, KIB)


async def put_large(asked: Asked) -> float:
    rate, _ = await asked.drive("blob", cycle(put_requests(asked.place, MIB, LARGE_NAMES)))
    return rate


async def get_large(asked: Asked) -> float:
    return await get(asked, MIB)


async def get(asked: Asked, size: int) -> float:
    names = range(LARGE_NAMES)  # a few that are there on every server
    requests = [request("blob", "GET", f"/{asked.place}/b{size}-{name}") for name in names]
    rate, _ = await asked.drive("blob", cycle(requests))
    return rate


async def list_blobs(asked: Asked) -> float:
    one = request("blob", "GET", "/listed", "restype=container&comp=list")
    rate, _ = await asked.drive("blob", cycle([one]))
    return rate


# --- tables -----------------------------------------------------------------------------------


async def insert_entity(asked: Asked) -> float:
    requests = [
        request("table", "POST", f"/{asked.place}", body=entity(row).encode(), headers=JSON)
        for row in range(NAMES)
    ]
    rate, _ = await asked.drive("table", requests)
    return rate


async def query_entity(asked: Asked) -> float:
    requests = [
        request("table", "GET", f"/{asked.place}(PartitionKey='p',RowKey='{row}')", headers=JSON)
        for row in range(LARGE_NAMES)
    ]
    rate, _ = await asked.drive("table", cycle(requests))
    return rate


def entity(row: int) -> str:
    return f'{{"PartitionKey":"p","RowKey":"{row}","customer":"c-17","total":99.5,"count":{row}}}'


# --- what is measured -------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A row of the table: its service, what it sends, and the bytes in and out for the bound."""

    service: ServiceName
    run: Callable[[Asked], Awaitable[float]]
    bytes_in: int = 0
    bytes_out: int = 0
    aim: float = 10.0


OPERATIONS: Final[Mapping[str, Operation]] = {
    "put message": Operation("queue", put_message, 100, 400),
    "get message": Operation("queue", get_message, 0, 400),
    "delete message": Operation("queue", delete_message),
    "put blob, 1 KiB": Operation("blob", put_small, KIB),
    "get blob, 1 KiB": Operation("blob", get_small, 0, KIB),
    "put blob, 1 MiB": Operation("blob", put_large, MIB, aim=5.0),
    "get blob, 1 MiB": Operation("blob", get_large, 0, MIB, aim=5.0),
    "list 1,000 blobs": Operation("blob", list_blobs, 0, 500 * KIB),
    "insert entity": Operation("table", insert_entity, 100, 200),
    "query entity": Operation("table", query_entity, 0, 200),
}


async def prepare(asked: Asked, number: int) -> None:
    """Make the queue, container and table of a round, and once the container that is listed."""
    asked.place = f"round{number}"
    account.create_queue(asked.ports["queue"], asked.place)
    for container in (asked.place, "listed"):
        send(asked, "blob", "PUT", f"/{container}", "restype=container")
    if "table" in asked.ports:
        body = f'{{"TableName":"{asked.place}"}}'.encode()
        await drive(
            asked.ports["table"],
            [request("table", "POST", "/Tables", body=body, headers=JSON)],
            connections=1,
            seconds=5,
        )
    if number == 0:
        blobs = put_requests("listed", 100, LISTED)
        await drive(asked.ports["blob"], blobs, connections=8, seconds=30)


def send(asked: Asked, service: ServiceName, method: str, path: str, query: str) -> None:
    status, _, body = account.send(asked.ports[service], service, method, path, query)
    if status >= 300 and status != 409:  # the container that is listed stays from round to round
        raise BenchmarkFailed(f"{method} {path}: {status} {body!r}")


async def bound(port: int, operation: Operation, options: argparse.Namespace) -> float:
    head = f"POST /{operation.bytes_out} HTTP/1.1\r\nhost: x\r\n"
    head += f"content-length: {operation.bytes_in}\r\n\r\n"
    one = (head.encode(), bytes(operation.bytes_in))
    rate, _ = await drive(
        port, cycle([one]), connections=options.connections, seconds=options.seconds
    )
    return rate


async def measure(
    servers: Mapping[str, Server], bare_ports: Mapping[str, int], options: argparse.Namespace
) -> dict[str, results.Results]:
    """Return the rates of every operation by server."""
    found = {name: results.Results() for name in OPERATIONS if options.only in name}
    asked = {
        name: Asked(ports, process_id, options) for name, (ports, process_id) in servers.items()
    }
    for number in range(options.rounds):
        for one in asked.values():
            await prepare(one, number)
        for name, operation in OPERATIONS.items():
            for server, one in asked.items():
                if operation.service in one.ports:
                    rate = await operation.run(one)
                    if name in found:
                        found[name].add(server, rate)
                        found[name].add(server + MICROS, one.micros)
            if name in found:
                for bare, port in bare_ports.items():
                    found[name].add(bare, await bound(port, operation, options))
            print(f"round {number + 1}: {name}", file=sys.stderr)
    return found


# --- servers ----------------------------------------------------------------------------------


def start_us(stack: contextlib.ExitStack, folder: Path) -> Server:
    blob, queue, table = free_ports(3)
    options = ["--blob-port", str(blob), "--queue-port", str(queue), "--table-port", str(table)]
    command = triggerfish("storage", "--silent", "--data", folder / "us", *options)
    return serving(
        stack, command, folder / "us.log", {"blob": blob, "queue": queue, "table": table}
    )


def start_azurite(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> Server:
    blob, queue, table = free_ports(3)
    command = [
        *(peers.azurite(options.peers), "--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--location", folder / "azurite", "--blobPort", str(blob)),
        *("--queuePort", str(queue), "--tablePort", str(table)),
    ]
    return serving(
        stack, command, folder / "azurite.log", {"blob": blob, "queue": queue, "table": table}
    )


def serving(
    stack: contextlib.ExitStack, command: list[str | Path], log: Path, ports: Ports
) -> Server:
    process = stack.enter_context(program(command, log=log))
    for service, port in ports.items():
        until(
            lambda port=port: listens(port),  # type: ignore[misc]
            within=30,
            what=f"{service} service",
            process=process,
            log=log,
        )
    return ports, process.pid


def start_bare_handler(stack: contextlib.ExitStack, folder: Path, kind: str) -> int:
    [port] = free_ports(1)
    log = folder / f"bare-{kind}.log"
    command: list[str | Path] = [sys.executable, bare_handler.__file__, kind, str(port)]
    process = stack.enter_context(program(command, log=log))
    until(lambda: listens(port), within=30, what="bare handler", process=process, log=log)
    return port


def rows(found: Mapping[str, results.Results]) -> Iterator[tuple[str, ...]]:
    for name, values in found.items():
        if US not in values:
            continue
        aim = OPERATIONS[name].aim
        yield (
            name,
            *(shown(values, server) for server in (US, AZURITE)),
            values.ratio(US, AZURITE),
            f"{aim:g}",
            *(shown(values, bare) for bare in BOUNDS),
            *(shown(values, server + MICROS) for server in (US, AZURITE)),
            values.ratio(AZURITE + MICROS, US + MICROS),
        )


def shown(values: results.Results, name: str) -> str:
    return results.number(values.median(name)) if name in values else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each operation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="show operations whose name has this in it")
    peers.add_option(parser)
    results.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        servers = {US: start_us(stack, folder)}
        try:
            servers[AZURITE] = start_azurite(stack, folder, options)
        except peers.Absent as missing:
            print(f"Azurite is left out: {missing}", file=sys.stderr)
        bare_ports = {
            bare: start_bare_handler(stack, folder, kind) for bare, kind in BOUNDS.items()
        }
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(servers, bare_ports, options))
    head = ("a second", US, AZURITE, "ratio", "aim", *BOUNDS, "µs", AZURITE, "ratio")
    print(results.table(head, list(rows(found))))
    rates = {name: values.medians() for name, values in found.items()}
    results.write("storage", {"connections": options.connections, "rates": rates}, options.json)


if __name__ == "__main__":
    main()
