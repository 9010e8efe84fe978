"""The program under attack: answers everything, logs no bug, and holds no more than its share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import pytest

from triggerfish_storage.protocol.auth import Signed, authorization
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.signed_requests import Request

if TYPE_CHECKING:
    from conftest import Program, Run

MEMORY_LIMIT_BYTES: Final = 250 * 1024 * 1024
ANSWER_SECONDS: Final = 20
JSON: Final = {"content-type": "application/json"}
MESSAGE: Final = b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>"
TABLE: Final = b'{"TableName":"people"}'
ENTITY: Final = b'{"PartitionKey":"p","RowKey":"r","Age":1,"Id@odata.type":"Edm.Int64","Id":"5"}'


class Target:
    """The program under attack."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log

    async def statuses(self, request: Request, announced: int | None = None) -> list[int]:
        """Send a request on a connection of its own; return the status of each answer.

        ``announced`` is a wrong length of its body.
        """
        is_cut = announced is not None and announced > len(request.body)
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port_of(request))
            try:
                writer.write(self.bytes_of(request, announced))
                if is_cut:
                    writer.write_eof()
                received = await reader.read()
            except ConnectionError:
                return []  # it answered what it understood and hung up on the rest
            finally:
                writer.close()
        lines = received.split(b"\r\n")
        return [int(line[9:12]) for line in lines if line.startswith(b"HTTP/1.1 ")]

    def port_of(self, request: Request) -> int:
        port = urlsplit(self.program.connection.endpoint(request.service)).port
        assert port is not None
        return port

    def bytes_of(self, request: Request, announced: int | None = None) -> bytes:
        """Return a request as it goes over the wire."""
        connection = self.program.connection
        path = f"/{connection.account}{request.path}"
        path = quote(path, safe="/%$'(),=:;@!*+-._~")
        raw = "&".join(
            f"{quote(n, safe='$')}={quote(v, safe='')}" for n, v in request.query.items()
        )
        length = len(request.body) if announced is None else announced
        headers = {
            "host": "127.0.0.1",
            "connection": "close",
            "x-ms-date": http_date(datetime.now(UTC)),
            "x-ms-version": "2021-12-02",
            **{name: value.strip() for name, value in request.headers.items()},
            "content-length": str(length),
        }
        signed = Signed(request.method, connection.account, path, parse_query(raw), headers)
        headers["authorization"] = authorization(signed, connection.key, service=request.service)
        target = f"{path}?{raw}" if raw else path
        lines = [f"{request.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body

    def check(self) -> None:
        """It is alive, has logged no bug, and has never held more than its share of memory."""
        assert self.program.process.returncode is None
        log = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in log, log[-3000:]
        assert "could not be stored" not in log, log[-3000:]
        assert self.program.memory_bytes() < MEMORY_LIMIT_BYTES


@pytest.fixture
async def target(tmp_path: Path, run: Run) -> AsyncIterator[Target]:
    async with run(tmp_path / "data") as program:
        async with program.client() as client:
            blob, xml = "/data", b"x" * 600
            for service, method, path, body, headers in (
                ("blob", "PUT", f"{blob}?restype=container", b"", {}),
                ("blob", "PUT", f"{blob}/block", xml, {"x-ms-blob-type": "BlockBlob"}),
                ("blob", "PUT", f"{blob}/append", b"", {"x-ms-blob-type": "AppendBlob"}),
                (
                    *("blob", "PUT", f"{blob}/page", b""),
                    {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "1024"},
                ),
                ("queue", "PUT", "/orders", b"", {}),
                ("queue", "POST", "/orders/messages", MESSAGE, {}),
                ("table", "POST", "/Tables", TABLE, JSON),
                ("table", "POST", "/people", ENTITY, JSON),
            ):
                assert (await client.send(service, method, path, body, headers)).status == 201
        target = Target(program, tmp_path / "log.txt")
        yield target
        target.check()
