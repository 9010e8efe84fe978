"""Storage operations a second over HTTP, next to Azurite and to handlers that do nothing.

Sixteen connections of one client, which sends requests that were signed before; the servers
run at the same time and are asked in turn, operation by operation, round after round. All keep
what they acknowledged on disk: Azurite every five seconds all of it, so each operation is asked for
long enough to have that in it twice. The bounds are the rates of a bare aiohttp handler and of a
bare httptools protocol, on uvloop as ours, that read and write as many bytes. Beside the rates
stands the processor time that a server takes for a request: what else the machine does changes it
less.

    python bench/storage.py [--seconds 10] [--rounds 3] [--connections 16] [--only get]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Final

import bare_handler
import peers
import results
import selection
import uvloop
from connections import drive
from storage_operations import OPERATIONS, Asked, Operation, prepare
from storage_servers import Server, start_azurite, start_bare_handler, start_us

US: Final = "triggerfish"
MICROS: Final = ", µs"
AZURITE: Final = "Azurite"
SECONDS: Final = 10.0
BOUND_SECONDS: Final = 1.0  # nothing of what they do comes later
BOUNDS: Final = {f"bare {kind}": kind for kind in bare_handler.KINDS}


async def bound(port: int, operation: Operation, options: argparse.Namespace) -> float:
    head = f"POST /{operation.bytes_out} HTTP/1.1\r\nhost: x\r\n"
    head += f"content-length: {operation.bytes_in}\r\n\r\n"
    one = (head.encode(), bytes(operation.bytes_in))
    rate, _ = await drive(
        port, cycle([one]), connections=options.connections, seconds=BOUND_SECONDS
    )
    return rate


async def measure(
    servers: Mapping[str, Server], bare_ports: Mapping[str, int], options: argparse.Namespace
) -> dict[str, results.Results]:
    """Return the rates by server of the operations that are to be shown."""
    found = {name: results.Results() for name in OPERATIONS if options.only in name}
    after = {name: operation.after for name, operation in OPERATIONS.items()}
    driven = {name: OPERATIONS[name] for name in selection.needed(after, options.only)}
    asked = {name: Asked(server, options) for name, server in servers.items()}
    for number in range(options.rounds):
        for one in asked.values():
            await prepare(one, number, list(driven.values()))
        for name, operation in driven.items():
            for server, one in asked.items():
                rate = await operation.run(one)
                if name in found:
                    found[name].add(server, rate)
                    found[name].add(server + MICROS, one.micros)
            for bare, port in bare_ports.items() if name in found else ():
                found[name].add(bare, await bound(port, operation, options))
            print(f"round {number + 1}: {name}", file=sys.stderr)
    return found


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
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each operation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    selection.add_option(parser)
    peers.add_option(parser)
    results.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        servers = {US: start_us(stack, folder / "us")}
        try:
            servers[AZURITE] = start_azurite(stack, folder / "azurite", options.peers)
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
