"""A client that sends exactly what it is told, signed or not, and reads what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.testing import START, ServedAccount

KEY = decode_key(DEFAULT_KEY)


@dataclass(frozen=True)
class Answer:
    """A response; names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "")

    @property
    def text(self) -> str:
        return self.body.decode()


class Raw:
    """One service of a served account."""

    def __init__(self, port: int, service: ServiceName) -> None:
        self.port = port
        self.service = service

    async def send(self, data: bytes, *, is_head: bool = False) -> Answer:
        """Send these bytes on a connection of their own and read one response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await self.read(reader, is_head=is_head)
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader, *, is_head: bool = False) -> Answer:
        """Read one response; the one before the last where the server says ``100 Continue``."""
        async with asyncio.timeout(20):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(": ")
                assert name.lower() not in headers, head
                headers[name.lower()] = value
            _, code, reason = first.split(" ", 2)
            status = int(code)
            body = b""
            if not is_head and status not in (100, 204, 304):
                if headers.get("transfer-encoding") == "chunked":
                    while size := int(await reader.readline(), 16):
                        body += await reader.readexactly(size)
                        await reader.readline()
                    await reader.readline()
                else:
                    body = await reader.readexactly(int(headers["content-length"]))
            return Answer(status, headers, body, reason)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        sign: bool = True,
        account: str = DEFAULT_ACCOUNT,
    ) -> Answer:
        """Send a request for ``target``, which starts behind the account."""
        data = self.build(method, target, headers=headers, body=body, sign=sign, account=account)
        return await self.send(data, is_head=method == "HEAD")

    def build(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        sign: bool = True,
        account: str = DEFAULT_ACCOUNT,
    ) -> bytes:
        """Return the bytes of a request."""
        raw = f"/{account}{target}"
        path, _, query = raw.partition("?")
        given = {
            "host": f"127.0.0.1:{self.port}",
            "x-ms-date": http_date(START),
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        if sign:
            signed = Signed(method, DEFAULT_ACCOUNT, path, parse_query(query), given)
            given["authorization"] = authorization(signed, KEY, service=self.service)
        lines = [f"{method} {raw} HTTP/1.1", *(f"{n}: {v}" for n, v in given.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
async def queue(served: ServedAccount) -> Raw:
    return Raw(served.ports["queue"], "queue")


@pytest.fixture
async def blob(served: ServedAccount) -> Raw:
    return Raw(served.ports["blob"], "blob")


@pytest.fixture
async def table(served: ServedAccount) -> Raw:
    """Where a test's account serves tables."""
    return Raw(served.ports["table"], "table")
