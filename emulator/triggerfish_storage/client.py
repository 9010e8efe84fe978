"""A small client of a storage account, for programs that have no Azure SDK.

What the command line needs and no more: one request per method, no retries. Documents are read
by the same modules that write them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote, unquote

from triggerfish_storage.connection_string import Connection
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.queues import wire
from triggerfish_storage.queues.rows import Message
from triggerfish_storage.signed_requests import (
    Request,
    RequestFailed,
    SignedRequests,
    Stream,
    signing,
)

_NO_PARAMETERS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A blob as a listing shows it."""

    name: str
    length: int
    modified: str
    content_type: str


class StorageClient:
    """One account's queues and blobs; open one with ``connect``.

    Every method raises RequestFailed where the service refuses, or does not answer.
    """

    def __init__(self, requests: SignedRequests) -> None:
        self._requests = requests

    # --- queues -------------------------------------------------------------------------------

    async def queues(self, prefix: str = "") -> AsyncIterator[str]:
        """Go through the names of all queues."""
        marker = ""
        while True:
            query = {"comp": "list", "prefix": prefix, "marker": marker}
            answer = await self._requests.send(Request("queue", "GET", "/", _given(query)))
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
        await self._requests.send(Request("queue", "DELETE", f"/{queue}"))

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
        answer = await self._requests.send(
            Request("queue", "POST", f"/{queue}/messages", _given(query), wire.write_text(text))
        )
        return wire.read_message_list(answer.body)[0].id

    async def peek_messages(self, queue: str, count: int = 32) -> list[Message]:
        """Return up to ``count`` (1-32) visible messages and change nothing."""
        query = {"peekonly": "true", "numofmessages": str(count)}
        answer = await self._requests.send(Request("queue", "GET", f"/{queue}/messages", query))
        return wire.read_message_list(answer.body)

    async def get_messages(
        self, queue: str, count: int = 1, *, hide_for: timedelta = timedelta(seconds=30)
    ) -> list[Message]:
        """Receive up to ``count`` (1-32) messages and hide them from others."""
        query = {"numofmessages": str(count), "visibilitytimeout": _seconds(hide_for)}
        answer = await self._requests.send(Request("queue", "GET", f"/{queue}/messages", query))
        return wire.read_message_list(answer.body)

    async def update_message(
        self, queue: str, message_id: str, pop_receipt: str, *, hide_for: timedelta
    ) -> None:
        """Hide a received message anew, or show it at once; its text stays."""
        path = f"/{queue}/messages/{message_id}"
        query = {"popreceipt": pop_receipt, "visibilitytimeout": _seconds(hide_for)}
        await self._requests.send(Request("queue", "PUT", path, query))

    async def delete_message(self, queue: str, message_id: str, pop_receipt: str) -> None:
        path = f"/{queue}/messages/{message_id}"
        await self._requests.send(Request("queue", "DELETE", path, {"popreceipt": pop_receipt}))

    async def clear_messages(self, queue: str) -> None:
        await self._requests.send(Request("queue", "DELETE", f"/{queue}/messages"))

    async def count_messages(self, queue: str) -> int:
        """Return about how many messages there are, hidden ones too."""
        answer = await self._requests.send(
            Request("queue", "GET", f"/{queue}", {"comp": "metadata"})
        )
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
        return (await self._requests.send(Request("blob", "GET", blob_path(container, blob)))).body

    @asynccontextmanager
    async def opened_blob(self, container: str, blob: str) -> AsyncIterator[Stream]:
        """Give a blob whose content is still to be read."""
        request = Request("blob", "GET", blob_path(container, blob))
        async with self._requests.opened(request) as answer:
            yield answer

    async def put_block(self, container: str, blob: str, block: str, content: bytes) -> None:
        """Stage a block of a blob that ``put_block_list`` writes; ``block`` is its id."""
        query = {"comp": "block", "blockid": block}
        path = blob_path(container, blob)
        await self._requests.send(Request("blob", "PUT", path, query, content))

    async def put_block_list(
        self, container: str, blob: str, blocks: Sequence[str], *, content_type: str = ""
    ) -> None:
        """Write a block blob of staged blocks, over an existing one."""
        listed = "".join(xml.tag("Latest", block) for block in blocks)
        document = xml.document(f"<BlockList>{listed}</BlockList>")
        headers = {"x-ms-blob-content-type": content_type or "application/octet-stream"}
        path = blob_path(container, blob)
        query = {"comp": "blocklist"}
        await self._requests.send(Request("blob", "PUT", path, query, document, headers))

    async def put_blob(
        self, container: str, blob: str, content: bytes, *, content_type: str = ""
    ) -> None:
        """Write a block blob, over an existing one."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": content_type or "application/octet-stream",
        }
        path = blob_path(container, blob)
        await self._requests.send(Request("blob", "PUT", path, body=content, headers=headers))

    async def delete_blob(self, container: str, blob: str) -> None:
        """Delete a blob with its snapshots."""
        headers = {"x-ms-delete-snapshots": "include"}
        path = blob_path(container, blob)
        await self._requests.send(Request("blob", "DELETE", path, headers=headers))

    # --- requests -----------------------------------------------------------------------------

    async def _listing(self, path: str, query: Mapping[str, str]) -> xml.Element:
        answer = await self._requests.send(Request("blob", "GET", path, _given(query)))
        return xml.parse(answer.body, "EnumerationResults")

    async def _create(
        self, service: ServiceName, path: str, query: Mapping[str, str], exists: str
    ) -> bool:
        try:
            return (await self._requests.send(Request(service, "PUT", path, query))).status == 201
        except RequestFailed as error:
            if error.code == exists:
                return False
            raise


@asynccontextmanager
async def connect(connection: Connection) -> AsyncIterator[StorageClient]:
    """Talk to the account that a connection string names."""
    async with signing(connection) as requests:
        yield StorageClient(requests)


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
