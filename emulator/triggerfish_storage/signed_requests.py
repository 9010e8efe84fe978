"""Requests to a storage account: signed, sent, and answered or refused.

Any request of any service, to every account that a connection string can name. No retries: what
fails says so at once.

Signatures: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import errno
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from triggerfish_storage.connection_string import Connection
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.tls import trusting

VERSION: Final = "2021-12-02"
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)

_SENT_WHOLE_BYTES: Final = 1024 * 1024  # more at once would keep the loop waiting, aiohttp says
_TO_SIGN: Final = " Server used following string to sign"
_NOTHING: Final = MappingProxyType[str, str]({})


class Request(NamedTuple):
    """One request; ``path`` is as it goes over the wire, without the account."""

    service: ServiceName
    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    body: bytes = b""
    headers: Mapping[str, str] = _NOTHING


class RequestFailed(Exception):  # noqa: N818 - the message is the service's
    """The service refused, or could not be reached; ``status`` is 0 where it did not answer."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said; names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Stream:
    """An answer whose body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response

    async def read(self, size_bytes: int) -> bytes:
        """Return that much of what is left, less only at the end."""
        pieces: list[bytes] = []
        missing = size_bytes
        try:
            while missing and (piece := await self._response.content.read(missing)):
                pieces.append(piece)
                missing -= len(piece)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RequestFailed(f"{self._response.url.path}: cut off ({error}).") from error
        return b"".join(pieces)

    async def whole(self) -> Answer:
        """Return the answer with all of its body."""
        return Answer(self.status, await self._response.read(), self.headers)


class SignedRequests:
    """One account that can be asked anything; open one with ``signing``."""

    def __init__(self, connection: Connection, session: aiohttp.ClientSession) -> None:
        self._connection = connection
        self._session = session

    async def send(self, request: Request) -> Answer:
        """Send one request; raises RequestFailed for whatever is no success."""
        async with self.opened(request) as answer:
            return await answer.whole()

    @asynccontextmanager
    async def opened(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request as ``send`` does, and give an answer whose body is still to be read."""
        target, headers = self._signed(request)
        method, body = request.method, request.body
        data = BytesIO(body) if len(body) > _SENT_WHOLE_BYTES else body
        try:
            async with self._session.request(
                method, target, data=data, headers=headers
            ) as response:
                if response.status >= 300:
                    asked = f"{method} {target.raw_path}"
                    raise _failure(response, await response.read(), asked)
                yield Stream(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RequestFailed(
                f"{target.raw_authority} could not be reached ({_reason(error)}). "
                "Is the storage running, and does the connection string name it?"
            ) from error

    def _signed(self, request: Request) -> tuple[URL, Mapping[str, str]]:
        """Return where a request goes and its headers, with what the account asks for in one."""
        connection, service = self._connection, request.service
        query = "&".join(
            f"{quote(name)}={quote(value, safe='')}" for name, value in request.query.items()
        )
        headers = {
            "x-ms-version": VERSION,
            "x-ms-date": http_date(datetime.now(UTC)),
            "content-length": str(len(request.body)),
            "content-type": "application/xml" if service == "queue" else "application/octet-stream",
            **request.headers,
        }
        url = connection.endpoint(service) + request.path
        if connection.key:
            path, parameters = urlsplit(url).path, parse_query(query)
            named = {name.lower(): value for name, value in headers.items()}  # of metadata
            signed = Signed(request.method, connection.account, path, parameters, named)
            headers["authorization"] = authorization(signed, connection.key, service=service)
        else:
            query = "&".join(filter(None, (query, connection.sas)))
        return URL(f"{url}?{query}" if query else url, encoded=True), headers


@asynccontextmanager
async def signing(connection: Connection) -> AsyncIterator[SignedRequests]:
    """Give the account that a connection string names."""
    pinned = connection.certificate
    connector = aiohttp.TCPConnector(ssl=trusting(pinned) if pinned else True)
    async with aiohttp.ClientSession(
        connector=connector, timeout=TIMEOUT, auto_decompress=False
    ) as session:
        yield SignedRequests(connection, session)


def _reason(error: Exception) -> str:
    """Return why there is no answer: of a connection that failed what the system says alone."""
    cause = getattr(error, "os_error", None)
    if isinstance(cause, ssl.SSLError) or not isinstance(cause, OSError):
        return str(error) or "no answer in time"
    number = cause.errno or 0
    return os.strerror(number) if number in errno.errorcode else str(error)


def _failure(response: aiohttp.ClientResponse, content: bytes, asked: str) -> RequestFailed:
    code = response.headers.get("x-ms-error-code", "")
    message = response.reason or ""
    if content[:1] == b"{":
        code, message = _table_failure(content, code, message)
    try:
        root = xml.parse(content.removeprefix(b"\xef\xbb\xbf"), "Error")
    except StorageError:
        pass
    else:
        code = code or root.child_text("Code", "")
        message = root.child_text("Message", message).partition("\n")[0]
        # The dozen lines that ought to have been signed help who writes clients, and nobody here.
        detail = root.child_text("AuthenticationErrorDetail", "").partition(_TO_SIGN)[0]
        message = f"{message} {detail}".strip()
    return RequestFailed(
        f"{asked}: {response.status} {code}: {message}", status=response.status, code=code
    )


def _table_failure(content: bytes, code: str, message: str) -> tuple[str, str]:
    """Return what the Table service says in JSON; what was known already where it is other JSON."""
    try:
        error = json.loads(content)["odata.error"]
        return str(error["code"]), str(error["message"]["value"]).partition("\n")[0]
    except (ValueError, LookupError, TypeError):
        return code, message
