"""Processor time of storage operations behind the transport: µs for each, and where they go.

Hands ready requests to ``Endpoint.answer`` in this process, sixteen in flight, so that sockets
and clients cost nothing. The least of the rounds counts, because what else the machine does only
adds. A timer of processor time looks at the stack now and then: the shares tell the step it is in.

    python bench/operations.py [--count 2000] [--rounds 5] [--only entity] [--functions 20]
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Final

import account
import results
import selection
import uvloop

from triggerfish_storage.protocol.accounts import Accounts
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.operations import BytesBody, Link
from triggerfish_storage.protocol.steps import Endpoint, Incoming
from triggerfish_storage.server import open_account, services

IN_FLIGHT: Final = 16
LOOK_EVERY_SECONDS: Final = 0.001
SLOWER: Final = 100  # times fewer listings than other operations

# The functions that are a step of a request each; all they call is theirs.
STEPS: Final[Mapping[tuple[str, str], str]] = {
    ("protocol.target", "parse_target"): "target",
    ("protocol.steps", "_match"): "match",
    ("protocol.authorise", "has_key"): "authorise",
    ("protocol.steps", "_render"): "render",
    ("commits", "commit_together"): "commit",
    ("database", "look"): "look",
    ("database", "_read_far"): "read",
}
HANDLER: Final = "handler"
OTHER: Final = "other"
SHOWN: Final = (
    *("target", "match", "authorise"),
    *(HANDLER, "look", "read", "commit"),
    *("render", OTHER),
)


class Stacks:
    """What a timer saw: samples by step, and by the function that ran."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()

    def look(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            self.functions[f"{_module(frame)}.{frame.f_code.co_qualname}"] += 1
            self.steps[_step(frame)] += 1

    @contextmanager
    def looking(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self.look)
        signal.setitimer(signal.ITIMER_PROF, LOOK_EVERY_SECONDS, LOOK_EVERY_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def share(self, step: str) -> str:
        return f"{100 * self.steps[step] / max(self.steps.total(), 1):.0f}%"


def _step(innermost: FrameType) -> str:
    """Return the step that a stack is in; a handler is what is in no step of its own."""
    frame: FrameType | None = innermost
    step = OTHER
    while frame is not None:
        module = _module(frame)
        found = STEPS.get((module, frame.f_code.co_name))
        if found is not None:
            return found
        if module.endswith(".operations") or ".handlers." in module:
            step = HANDLER
        frame = frame.f_back
    return step


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).removeprefix("triggerfish_storage.")


@dataclass
class Bench:
    """The account under test; ``bodies`` are the answers to the operation before."""

    endpoints: Mapping[ServiceName, Endpoint[Any]]
    count: int
    place: str = ""
    bodies: Sequence[bytes] = field(default_factory=list)

    async def run(self, service: ServiceName, requests: Sequence[Incoming]) -> None:
        endpoint, waiting = self.endpoints[service], iter(requests)
        bodies: list[bytes] = []

        async def one_after_another() -> None:
            for incoming in waiting:
                head, reply = await endpoint.answer(incoming)
                if reply.status >= 300:
                    raise SystemExit(f"refused: {incoming.target} {head!r} {reply.body!r}")
                assert isinstance(reply.body, bytes)
                bodies.append(reply.body)

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(one_after_another())
        self.bodies = bodies


def incoming(
    service: ServiceName,
    method: str,
    path: str,
    query: str = "",
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Incoming:
    target, sent = account.head(service, method, path, query, length=len(body), headers=headers)
    named = {"host": "127.0.0.1:10000"} | {name.lower(): value for name, value in sent.items()}
    return Incoming(method, target, named, (), BytesBody(body), Link(), keeps_alive=True)


def put_message(bench: Bench) -> Iterator[Incoming]:
    one = incoming("queue", "POST", f"/{bench.place}/messages", body=account.message_body())
    yield from [one] * bench.count


def get_message(bench: Bench) -> Iterator[Incoming]:
    one = incoming("queue", "GET", f"/{bench.place}/messages", "visibilitytimeout=3600")
    yield from [one] * bench.count


def delete_message(bench: Bench) -> Iterator[Incoming]:
    for id_, receipt in account.all_received(bench.bodies):
        path = f"/{bench.place}/messages/{id_}"
        yield incoming("queue", "DELETE", path, account.delete_query(receipt))


def put_blob(bench: Bench) -> Iterator[Incoming]:
    content = bytes(1024)
    for name in range(bench.count):
        path = f"/{bench.place}/b-{name}"
        yield incoming("blob", "PUT", path, body=content, headers=account.BLOCK_BLOB)


def get_blob(bench: Bench) -> Iterator[Incoming]:
    for name in range(bench.count):
        yield incoming("blob", "GET", f"/{bench.place}/b-{name}")


def list_blobs(bench: Bench) -> Iterator[Incoming]:
    query = "restype=container&comp=list&maxresults=1000"
    one = incoming("blob", "GET", f"/{bench.place}", query)
    yield from [one] * max(bench.count // SLOWER, 1)


def insert_entity(bench: Bench) -> Iterator[Incoming]:
    for row in range(bench.count):
        yield incoming(
            "table", "POST", f"/{bench.place}", body=account.entity(row), headers=account.JSON
        )


def query_entity(bench: Bench) -> Iterator[Incoming]:
    for row in range(bench.count):
        path = f"/{bench.place}(PartitionKey='p',RowKey='{row}')"
        yield incoming("table", "GET", path, headers=account.JSON)


@dataclass(frozen=True)
class Operation:
    """A row of the table: its service, its requests, and the operation whose work they find."""

    service: ServiceName
    build: Callable[[Bench], Iterator[Incoming]]
    after: str = ""


OPERATIONS: Final[Mapping[str, Operation]] = {
    "put message": Operation("queue", put_message),
    "get message": Operation("queue", get_message, after="put message"),
    "delete message": Operation("queue", delete_message, after="get message"),
    "put blob, 1 KiB": Operation("blob", put_blob),
    "get blob, 1 KiB": Operation("blob", get_blob, after="put blob, 1 KiB"),
    "list 1,000 blobs": Operation("blob", list_blobs, after="put blob, 1 KiB"),
    "insert entity": Operation("table", insert_entity),
    "query entity": Operation("table", query_entity, after="insert entity"),
}


async def prepare(bench: Bench, number: int) -> None:
    """Make the queue, container and table of a round."""
    bench.place = f"round{number}"
    body = f'{{"TableName":"{bench.place}"}}'.encode()
    await bench.run("queue", [incoming("queue", "PUT", f"/{bench.place}")])
    await bench.run("blob", [incoming("blob", "PUT", f"/{bench.place}", "restype=container")])
    await bench.run(
        "table", [incoming("table", "POST", "/Tables", body=body, headers=account.JSON)]
    )


async def measure(
    folder: Path, options: argparse.Namespace
) -> tuple[results.Results, dict[str, Stacks]]:
    """Return µs by operation, and what was seen of each."""
    after = {name: operation.after for name, operation in OPERATIONS.items()}
    driven = {name: OPERATIONS[name] for name in selection.needed(after, options.only)}
    found, stacks = results.Results(), {name: Stacks() for name in driven}
    async with open_account(folder) as opened:
        endpoints = {
            name: Endpoint(service, Accounts(), opened.clock)
            for name, service in services(opened).items()
        }
        bench = Bench(endpoints, options.count)
        for number in range(options.rounds):
            await prepare(bench, number)
            for name, operation in driven.items():
                requests = list(operation.build(bench))
                with stacks[name].looking():
                    began = time.process_time()
                    await bench.run(operation.service, requests)
                    spent = time.process_time() - began
                found.add(name, spent / len(requests) * 1e6)
    return found, stacks


def rows(found: results.Results, stacks: Mapping[str, Stacks], only: str) -> list[tuple[str, ...]]:
    return [
        (
            name,
            results.number(found.least(name)),
            *(stacks[name].share(step) for step in SHOWN),
        )
        for name in stacks
        if only in name
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="of requests, for each operation")
    parser.add_argument("--rounds", type=int, default=5)
    selection.add_option(parser)
    parser.add_argument("--functions", type=int, default=0, help="name so many that took longest")
    results.add_option(parser)
    options = parser.parse_args()
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, runner:
        found, stacks = runner.run(measure(Path(name), options))
    head = ("µs of processor", "each", *SHOWN)
    print(results.table(head, rows(found, stacks, options.only)))
    for operation, seen in stacks.items():
        if options.functions and options.only in operation:
            print(f"\n{operation}")
            for function, samples in islice(seen.functions.most_common(), options.functions):
                print(f"{samples / seen.functions.total():6.1%}  {function}")
    results.write(
        "operations",
        {"micros": {name: round(found.least(name), 2) for name in stacks}},
        options.json,
    )


if __name__ == "__main__":
    main()
