"""What an operation costs where a thousand of a kind are stored, and where a million are.

Two accounts are filled in process, one with a thousand messages in a queue, blobs in a
container, entities in a table and so on, one with a million, and are served by two programs
that are asked in turn, operation by operation, round after round, by sixteen connections. A
ratio of 1.0 says that the rate does not fall. Beside the rate stands the processor time of
the server: on a machine that others use too, it says more.

At the end the queue, container and table that were filled for it are deleted, unless they are
from a run before: the time until that is acknowledged, and the slowest of the small requests that
others send while the rows go.

    python bench/scale.py [--count 1000000] [--keep FOLDER] [--seconds 1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final

import account
import results
import scale_fill
import selection
import uvloop
from connections import drive
from programs import cpu_seconds
from scale_requests import OPERATIONS, Stored, put_message
from storage_servers import Server, start_us

from triggerfish_storage.protocol.auth import ServiceName

FEW: Final = 1_000
# What is deleted and still has rows.
_DISCARDED: Final = """
    SELECT 1 FROM backlog WHERE discarded = 1
    UNION ALL SELECT 1 FROM container WHERE account = ''
    UNION ALL SELECT 1 FROM entity_table WHERE account = ''
"""


@dataclass(frozen=True)
class Filled:
    """A running account, and what is stored in it."""

    stored: Stored
    folder: Path
    server: Server
    start_seconds: float
    is_new: bool  # else what is deleted at the end may be gone from before


@dataclass(frozen=True)
class Doomed:
    """Something large that is deleted at the end."""

    service: ServiceName
    path: str
    query: str = ""


DOOMED: Final = {
    "delete queue": Doomed("queue", f"/{scale_fill.DOOMED}"),
    "delete container": Doomed("blob", f"/{scale_fill.DOOMED}", "restype=container"),
    "delete table": Doomed("table", f"/Tables('{scale_fill.DOOMED}')"),
}


@dataclass
class Found:
    """By operation and count: requests a second, and a request's processor time in µs."""

    rates: results.Results = field(default_factory=results.Results)
    micros: results.Results = field(default_factory=results.Results)
    once: results.Results = field(default_factory=results.Results)  # seconds


def start(stack: contextlib.ExitStack, folder: Path, count: int) -> Filled:
    """Fill a folder unless it is kept from before, and serve it."""
    data = folder / f"{count}"
    is_new = not (data / "storage.db").exists()
    if is_new:
        command = [sys.executable, scale_fill.__file__, str(data), str(count)]
        subprocess.run(command, check=True)
    began = time.perf_counter()
    server = start_us(stack, data)
    return Filled(Stored(count), data, server, time.perf_counter() - began, is_new)


async def measure(accounts: Sequence[Filled], options: argparse.Namespace) -> Found:
    found = Found()
    after = dict.fromkeys(OPERATIONS, "")
    after |= {"get message": "put message", "delete message": "get message"}
    driven = selection.needed(after, options.only)
    for number in range(options.rounds):
        for name in driven:
            for filled in accounts:
                await _measure(filled, name, options, found)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for filled in accounts:
        found.once.add(f"start {filled.stored.count}", filled.start_seconds)
        for name, doomed in DOOMED.items():
            if filled.is_new and options.only in name:
                await _delete(filled, name, doomed, found)
    return found


async def _measure(filled: Filled, name: str, options: argparse.Namespace, found: Found) -> None:
    service, requests = OPERATIONS[name]
    stored, server = filled.stored, filled.server
    ready = requests(stored)
    if not isinstance(ready, cycle):
        ready = iter(list(ready))  # signing is not what is measured
    before, began = cpu_seconds(server.process_id), time.perf_counter()
    rate, bodies = await drive(
        server.ports[service],
        ready,
        connections=options.connections,
        seconds=options.seconds,
        keeps=name == "get message",
    )
    answered = rate * (time.perf_counter() - began)
    used = cpu_seconds(server.process_id) - before
    if name == "put message":
        stored.put = int(answered)
    stored.receipts += [one for body in bodies if (one := account.received(body)) is not None]
    found.rates.add(f"{name} {stored.count}", rate)
    found.micros.add(f"{name} {stored.count}", used * 1e6 / answered)


async def _delete(filled: Filled, name: str, doomed: Doomed, found: Found) -> None:
    """Delete something large; then be other clients until its rows are gone."""
    count, ports = filled.stored.count, filled.server.ports
    one = account.request(doomed.service, "DELETE", doomed.path, doomed.query)
    began = time.perf_counter()
    await drive(ports[doomed.service], [one], connections=1, seconds=60)
    found.once.add(f"{name} {count}", time.perf_counter() - began)
    others = put_message(filled.stored)
    rate, _ = await drive(ports["queue"], others, connections=16, seconds=1.0)
    found.rates.add(f"put message, after {name} {count}", rate)
    slowest = 0.0
    with closing(sqlite3.connect(f"file:{filled.folder}/storage.db?mode=ro", uri=True)) as reader:
        while reader.execute(_DISCARDED).fetchone() is not None:
            sent = time.perf_counter()
            await drive(ports["queue"], [next(others)], connections=1, seconds=60)
            slowest = max(slowest, time.perf_counter() - sent)
    found.once.add(f"{name}: rows gone {count}", time.perf_counter() - began)
    found.once.add(f"{name}: others at most {count}", slowest)


def rows(found: Found, few: int, many: int) -> Iterator[tuple[str, ...]]:
    for name in (*OPERATIONS, *(f"put message, after {name}" for name in DOOMED)):
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
    for name in DOOMED:
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
    selection.add_option(parser)
    results.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        accounts = [start(stack, folder, count) for count in (FEW, options.count)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(accounts, options))
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
