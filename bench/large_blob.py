"""A block blob of 2 GiB in and out: how fast, and how much memory the program takes for it.

Done twice, to ``triggerfish storage`` and to the account inside ``triggerfish start``: as one
stream, by staged blocks of 64 MiB, and read back as one stream, whose bytes are compared. The
memory is the most that the program ever held, its worker not counted.

    python bench/large_blob.py [--mib 2048]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import account
import results
from programs import BenchmarkFailed, free_ports, listens, program, triggerfish, until

MIB: Final = 1024 * 1024
BLOCK_MIB: Final = 64
BLOB: Final = "/large/blob"
STORAGE: Final = "triggerfish storage"
START: Final = "triggerfish start"
APP: Final = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
def take(message: func.QueueMessage) -> None:
    pass
"""


def piece(number: int) -> bytes:
    """Return the MiB of that number: pseudo-random, and never the one before."""
    return random.Random(number).randbytes(4096) * (MIB // 4096)


def pieces(first: int, count: int) -> Iterator[bytes]:
    return map(piece, range(first, first + count))


class Client:
    """One connection after another to a Blob service."""

    def __init__(self, port: int) -> None:
        self.port = port

    def put(self, query: str, first: int, count: int) -> None:
        headers = {"x-ms-blob-type": "BlockBlob"}
        self._send("PUT", BLOB, query, pieces(first, count), count * MIB, headers)

    def put_document(self, path: str, query: str, body: bytes = b"") -> None:
        self._send("PUT", path, query, iter([body]), len(body), {})

    def _send(
        self,
        method: str,
        path: str,
        query: str,
        body: Iterator[bytes],
        length: int,
        headers: dict[str, str],
    ) -> None:
        target, sent = account.head("blob", method, path, query, length=length, headers=headers)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)) as connection:
            connection.request(method, target, body, sent)
            answer = connection.getresponse()
            if answer.status != 201:
                raise BenchmarkFailed(f"{method} {path}: {answer.status} {answer.read()!r}")

    def get(self) -> str:
        """Read the blob; return the digest of what came."""
        target, sent = account.head("blob", "GET", BLOB)
        digest, buffer = hashlib.sha1(usedforsecurity=False), memoryview(bytearray(MIB))
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)) as connection:
            connection.request("GET", target, headers=sent)
            answer = connection.getresponse()
            while count := answer.readinto(buffer):
                digest.update(buffer[:count])
        return digest.hexdigest()


def put_blocks(client: Client, mib: int) -> None:
    document = "<BlockList>"
    for first in range(0, mib, BLOCK_MIB):
        block = base64.b64encode(b"%08d" % first).decode()
        client.put(f"comp=block&blockid={quote(block)}", first, min(BLOCK_MIB, mib - first))
        document += f"<Latest>{block}</Latest>"
    client.put_document(BLOB, "comp=blocklist", f"{document}</BlockList>".encode())


def peak_mib(pid: int) -> float:
    """Return the most memory that a process ever held."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def command(name: str, folder: Path) -> tuple[list[str | Path], int]:
    """Return how a program is started, and the port of its Blob service."""
    host, blob, queue, table = free_ports(4)
    ports = ["--blob-port", blob, "--queue-port", queue, "--table-port", table]
    if name == START:
        (folder / "function_app.py").write_text(APP)
        (folder / "host.json").write_text('{"version": "2.0"}')
        return triggerfish("start", folder, "--port", str(host), *map(str, ports)), blob
    return triggerfish("storage", "--silent", "--data", folder, *map(str, ports)), blob


def measure(name: str, folder: Path, mib: int, expected: str) -> dict[str, float]:
    """Return MiB a second of each way, and the memory they took in all."""
    words, port = command(name, folder)
    log = folder.with_suffix(".log")
    found: dict[str, float] = {}
    with program(words, log=log) as process:
        until(lambda: listens(port), within=60, what=name, process=process, log=log)
        client = Client(port)
        client.put_document("/large", "restype=container")

        def timed(what: str, run: Callable[[], object]) -> None:
            os.sync()  # else the disk is still busy with what was written before
            began = time.perf_counter()
            run()
            found[f"{what}, MiB/s"] = mib / (time.perf_counter() - began)
            print(f"{name}: {what}", file=sys.stderr)

        for way, put in (
            ("in by blocks", lambda: put_blocks(client, mib)),
            ("in as one stream", lambda: client.put("", 0, mib)),
        ):
            timed(way, put)
            digests: list[str] = []
            timed(f"out, once {way}", lambda: digests.append(client.get()))  # noqa: B023
            if digests != [expected]:
                raise BenchmarkFailed(f"{name}: what came out is not what went {way}")
        found["memory at most, MiB"] = peak_mib(process.pid)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2048)
    results.add_option(parser)
    options = parser.parse_args()
    digest = hashlib.sha1(usedforsecurity=False)
    for one in pieces(0, options.mib):
        digest.update(one)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in (STORAGE, START):
            place = Path(folder, name.split()[-1])
            place.mkdir()
            found[name] = measure(name, place, options.mib, digest.hexdigest())
    rows = [
        (what, *(results.number(found[name][what]) for name in found)) for what in found[STORAGE]
    ]
    print(results.table(("", *found), rows))
    results.write("large_blob", {"mib": options.mib, "found": found}, options.json)


if __name__ == "__main__":
    main()
