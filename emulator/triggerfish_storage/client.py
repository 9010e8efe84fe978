"""A small client of a storage account, for programs that have no Azure SDK.

What the command line needs and no more: one request per method, no retries, every account
that a connection string can name; ``send`` and ``opened`` carry any request. Documents are read
by the same modules that write them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from yarl import URL

from triggerfish_storage.connection_string import Connection
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.queues import wire
from triggerfish_storage.queues.rows import Message

VERSION: Final = "2021-12-02"
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)

_SENT_WHOLE_BYTES: Final = 1024 * 1024  # more at once would keep the loop waiting, aiohttp says
_NO_PARAMETERS: Final[Mapping[str, str]] = {}


class RequestFailed(Exception):  # noqa: N818 - the message is the service's
    """The service refused, or could not be reached; ``status`` is 0 where it did not answer."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A blob as a listing shows it."""

    name: str
    length: int
    modified: str
    content_type: str


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
        return Answer(self.status, await self._response.read(), self.headers)


class StorageClient:
    """One account's queues and blobs; open one with ``connect``."""

    def __init__(self, connection: Connection, session: aiohttp.ClientSession) -> None:
        self._connection = connection
        self._session = session

    # --- queues -------------------------------------------------------------------------------

    async def queues(self, prefix: str = "") -> AsyncIterator[str]:
        """Go through the names of all queues."""
        marker = ""
        while True:
            query = {"comp": "list", "prefix": prefix, "marker": marker}
            answer = await self.send("queue", "GET", "/", _given(query))
            page = wire.read_queue_list(answer.body)
            for queue in page.queues:
                yield queue.name
            if not page.next_marker:
                return
            marker = page.next_marker

    async def create_queue(self, queue: str) -> bool:
        """Create a queue; False where it exists."""
        return await self._create("queue", f"/{queue}", _NO_PARAMETERS, "QueueAlreadyExists")

    async def delete_queue(self, queue: str) -> None:
        await self.send("queue", "DELETE", f"/{queue}")

    async def put_message(
        self,
        queue: str,
        text: str,
        *,
        after: timedelta | None = None,
        life: timedelta | None = None,
    ) -> str:
        """Add a message, visible ``after``; return its id. Without ``life`` it lives a week."""
        query = {"visibilitytimeout": _seconds(after), "messagettl": _seconds(life)}
        answer = await self.send(
            "queue", "POST", f"/{queue}/messages", _given(query), wire.write_text(text)
        )
        return wire.read_message_list(answer.body)[0].id

    async def peek_messages(self, queue: str, count: int = 32) -> list[Message]:
        """Return up to ``count`` (1-32) visible messages and change nothing."""
        query = {"peekonly": "true", "numofmessages": str(count)}
        answer = await self.send("queue", "GET", f"/{queue}/messages", query)
        return wire.read_message_list(answer.body)

    async def get_messages(
        self, queue: str, count: int = 1, *, hide_for: timedelta = timedelta(seconds=30)
    ) -> list[Message]:
        """Receive up to ``count`` (1-32) messages and hide them from others."""
        query = {"numofmessages": str(count), "visibilitytimeout": _seconds(hide_for)}
        answer = await self.send("queue", "GET", f"/{queue}/messages", query)
        return wire.read_message_list(answer.body)

    async def update_message(
        self, queue: str, message_id: str, pop_receipt: str, *, hide_for: timedelta
    ) -> None:
        """Hide a received message anew, or show it at once; its text stays."""
        path = f"/{queue}/messages/{message_id}"
        query = {"popreceipt": pop_receipt, "visibilitytimeout": _seconds(hide_for)}
        await self.send("queue", "PUT", path, query)

    async def delete_message(self, queue: str, message_id: str, pop_receipt: str) -> None:
        path = f"/{queue}/messages/{message_id}"
        await self.send("queue", "DELETE", path, {"popreceipt": pop_receipt})

    async def clear_messages(self, queue: str) -> None:
        await self.send("queue", "DELETE", f"/{queue}/messages")

    async def count_messages(self, queue: str) -> int:
        """Return about how many messages there are, hidden ones too."""
        answer = await self.send("queue", "GET", f"/{queue}", {"comp": "metadata"})
        return int(answer.headers["x-ms-approximate-messages-count"])

    # --- blobs --------------------------------------------------------------------------------

    async def containers(self, prefix: str = "") -> AsyncIterator[str]:
        """Go through the names of all containers."""
        marker = ""
        while True:
            query = {"comp": "list", "prefix": prefix, "marker": marker}
            root = await self._listing("/", query)
            for element in _children(root, "Containers"):
                yield element.child_text("Name")
            marker = root.child_text("NextMarker", "")
            if not marker:
                return

    async def create_container(self, container: str) -> bool:
        """Create a container; False where it exists."""
        query = {"restype": "container"}
        return await self._create("blob", f"/{container}", query, "ContainerAlreadyExists")

    async def blobs(self, container: str, prefix: str = "") -> AsyncIterator[ListedBlob]:
        """Go through a container's blobs by name."""
        marker = ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
            root = await self._listing(f"/{container}", query)
            for element in _children(root, "Blobs"):
                yield _listed(element)
            marker = root.child_text("NextMarker", "")
            if not marker:
                return

    async def get_blob(self, container: str, blob: str) -> bytes:
        """Return a blob's content."""
        return (await self.send("blob", "GET", blob_path(container, blob))).body

    async def put_blob(
        self, container: str, blob: str, content: bytes, *, content_type: str = ""
    ) -> None:
        """Write a block blob, over an existing one."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": content_type or "application/octet-stream",
        }
        path = blob_path(container, blob)
        await self.send("blob", "PUT", path, body=content, headers=headers)

    async def delete_blob(self, container: str, blob: str) -> None:
        await self.send("blob", "DELETE", blob_path(container, blob))

    # --- requests -----------------------------------------------------------------------------

    async def _listing(self, path: str, query: Mapping[str, str]) -> xml.Element:
        answer = await self.send("blob", "GET", path, _given(query))
        return xml.parse(answer.body, "EnumerationResults")

    async def _create(
        self, service: ServiceName, path: str, query: Mapping[str, str], exists: str
    ) -> bool:
        try:
            return (await self.send(service, "PUT", path, query)).status == 201
        except RequestFailed as error:
            if error.code == exists:
                return False
            raise

    async def send(
        self,
        service: ServiceName,
        method: str,
        path: str,
        query: Mapping[str, str] = _NO_PARAMETERS,
        body: bytes = b"",
        headers: Mapping[str, str] = _NO_PARAMETERS,
    ) -> Answer:
        """Send one signed request; raises RequestFailed for whatever is no success.

        ``path`` is as it goes over the wire, without the account.
        """
        async with self.opened(service, method, path, query, body, headers) as answer:
            return await answer.whole()

    @asynccontextmanager
    async def opened(
        self,
        service: ServiceName,
        method: str,
        path: str,
        query: Mapping[str, str] = _NO_PARAMETERS,
        body: bytes = b"",
        headers: Mapping[str, str] = _NO_PARAMETERS,
    ) -> AsyncIterator[Stream]:
        """Send a request as ``send`` does, and give an answer whose body is still to be read."""
        raw = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())
        signed = {
            "x-ms-version": VERSION,
            "x-ms-date": http_date(datetime.now(UTC)),
            "content-length": str(len(body)),
            "content-type": "application/xml" if service == "queue" else "application/octet-stream",
            **headers,
        }
        url = self._connection.endpoint(service) + path
        if self._connection.key:
            signed["authorization"] = self._signature(service, method, url, raw, signed)
        else:
            raw = "&".join(filter(None, (raw, self._connection.sas)))
        target = URL(f"{url}?{raw}" if raw else url, encoded=True)
        try:
            data = BytesIO(body) if len(body) > _SENT_WHOLE_BYTES else body
            async with self._session.request(method, target, data=data, headers=signed) as response:
                if response.status >= 300:
                    asked = f"{method} {urlsplit(url).path}"
                    raise _failure(response, await response.read(), asked)
                yield Stream(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RequestFailed(
                f"{urlsplit(url).netloc} could not be reached ({error or 'no answer in time'}). "
                "Is the storage running, and does the connection string name it?"
            ) from error

    def _signature(
        self, service: ServiceName, method: str, url: str, raw: str, headers: Mapping[str, str]
    ) -> str:
        connection = self._connection
        path = urlsplit(url).path
        request = Signed(method, connection.account, path, parse_query(raw), headers)
        return authorization(request, connection.key, service=service)


@asynccontextmanager
async def connect(connection: Connection) -> AsyncIterator[StorageClient]:
    """Talk to the account that a connection string names."""
    pinned = connection.certificate
    connector = aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(pinned) if pinned else True)
    async with aiohttp.ClientSession(
        connector=connector, timeout=TIMEOUT, auto_decompress=False
    ) as session:
        yield StorageClient(connection, session)


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
        detail = root.child_text("AuthenticationErrorDetail", "")
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


def blob_path(container: str, blob: str) -> str:
    """Return a blob's path as it goes over the wire."""
    return f"/{container}/{quote(blob, safe='/~')}"


def listed_name(element: xml.Element) -> str:
    """Return the name of a blob in a listing, which is encoded where XML cannot carry it."""
    name = element.find("Name") or xml.Element("Name", {})
    return unquote(name.text) if name.attributes.get("Encoded") == "true" else name.text


def _listed(element: xml.Element) -> ListedBlob:
    properties = element.find("Properties") or xml.Element("Properties", {})
    return ListedBlob(
        listed_name(element),
        int(properties.child_text("Content-Length", "0")),
        properties.child_text("Last-Modified", ""),
        properties.child_text("Content-Type", ""),
    )


def _children(root: xml.Element, name: str) -> list[xml.Element]:
    found = root.find(name)
    return found.children if found is not None else []


def _given(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _seconds(length: timedelta | None) -> str:
    return "" if length is None else str(int(length.total_seconds()))
