"""``triggerfish storage`` as a process that may be killed, and a client that sends any bytes."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from triggerfish_storage.connection_string import Connection, parse_connection_string
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query

ANYWHERE = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")


@dataclass(frozen=True)
class Answer:
    """A response, read to its end; names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Requests to the three services of one account, signed."""

    def __init__(self, connection: Connection, session: aiohttp.ClientSession) -> None:
        self.connection = connection
        self.session = session

    async def send(
        self,
        service: ServiceName,
        method: str,
        path: str,
        body: bytes | AsyncIterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; ``path`` is as it goes over the wire, behind the account."""
        async with self.ask(service, method, path, body, headers) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, await response.read())

    def ask(
        self,
        service: ServiceName,
        method: str,
        path: str,
        body: bytes | AsyncIterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the request's context; its response is read by the caller."""
        url = URL(self.connection.endpoint(service) + path, encoded=True)
        sent = {
            "content-type": "application/octet-stream",
            "x-ms-date": http_date(datetime.now(UTC)),
            "x-ms-version": "2021-12-02",
            **(headers or {}),
        }
        if isinstance(body, bytes):
            sent["content-length"] = str(len(body))
        signed = Signed(
            method, self.connection.account, url.raw_path, parse_query(url.raw_query_string), sent
        )
        sent["authorization"] = authorization(signed, self.connection.key, service=service)
        data = io.BytesIO(body) if isinstance(body, bytes) else body  # large bytes bring a warning
        return self.session.request(method, url, data=data, headers=sent)


class Program:
    """A running ``triggerfish storage`` that has said where it is."""

    def __init__(
        self, process: asyncio.subprocess.Process, connection_string: str, folder: Path
    ) -> None:
        self.process = process
        self.connection_string = connection_string
        self.connection = parse_connection_string(connection_string)
        self.folder = folder

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Client(self.connection, session)

    def kill(self) -> None:
        """End it as a power switch would; waiting for it is the fixture's part."""
        self.process.kill()

    async def check_files(self) -> None:
        """The folder of contents holds what rows name, all of it, and soon nothing else.

        What a crash left is swept beside serving, and the program says nothing of it.
        """
        uri = f"file:{self.folder}/storage.db?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            found = database.execute("SELECT file FROM content WHERE file IS NOT NULL")
            named = {name for (name,) in found}
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert self.content_files() >= named
        async with asyncio.timeout(20):
            while self.content_files() != named:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.02)

    def content_files(self) -> set[str]:
        """Return the names of the files that hold large contents."""
        return {path.name for path in (self.folder / "contents").iterdir()}

    def memory_bytes(self) -> int:
        """Return how much memory the process has ever held at once."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


Run = Callable[[Path], AbstractAsyncContextManager[Program]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Start the program on a folder; what it logs goes to ``log.txt`` in the test's folder."""

    @asynccontextmanager
    async def running(folder: Path) -> AsyncIterator[Program]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TRIGGERFISH_", "AZURITE_"))
        }
        command = (sys.executable, "-m", "triggerfish_storage", *ANYWHERE, "--data", str(folder))
        with (tmp_path / "log.txt").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, env=kept, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        try:
            yield Program(process, await _connection_string(process), folder)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                await process.wait()

    return running


async def _connection_string(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while line := (await process.stdout.readline()).decode():
            if "AccountKey=" in line:
                return line.strip()
    raise AssertionError("the program ended before it said where it is")
