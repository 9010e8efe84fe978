"""What one official client writes, each other one reads byte for byte, whatever it is.

Names of blobs and messages hold characters of every kind that Unicode has, contents every
byte. Metadata holds all that is legal for it, which is ASCII: other text is refused, as by Azure.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conftest import Account, Command, FindCommand

PROGRAM: Final = Path(__file__).parent / "programs" / "unicode.cjs"
INSTALL: Final = "npm install @azure/storage-blob @azure/storage-queue"

pytestmark = [pytest.mark.external, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Blob:
    name: str
    content: bytes
    metadata: dict[str, str]


@dataclass(frozen=True)
class Queue:
    texts: list[str]
    metadata: dict[str, str]


class Client(Protocol):
    """What each of the clients is asked for here."""

    async def write_blobs(self, container: str, blobs: Sequence[Blob]) -> None: ...
    async def read_blobs(self, container: str) -> list[Blob]: ...
    async def write_queue(self, name: str, queue: Queue) -> None: ...
    async def read_queue(self, name: str) -> Queue: ...


def characters(step: int) -> str:
    """Return all of the first 1,024 legal characters, then every ``step``-th one."""
    points = [*range(0x20, 0x7F), *range(0xA0, 0x400), *range(0x400, 0x110000, step)]
    legal = (point for point in points if not 0xD800 <= point <= 0xDFFF)
    return "".join(chr(point) for point in legal if point & 0xFFFE != 0xFFFE)


def pieces(text: str, length: int) -> Iterable[str]:
    return (text[start : start + length] for start in range(0, len(text), length))


PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
METADATA: Final = {"k": f"{PRINTABLE} {PRINTABLE}", "a_1": "two  spaces\tand a tab", "_": "%E2"}
ODD_NAMES: Final = (
    *("composed-\u00e9", "decomposed-e\u0301", "\u1112\u1161\u11ab", "\ud55c"),
    *("family-\U0001f468\u200d\U0001f469\u200d\U0001f467", "right\u202eleft", "\ufeffmark"),
    *("a%2Fb", "a/b", "a//b", "a+b", "a b", "a%20b", "a?b=c&d", "a#b", "trailing/", "dots..."),
    *("X" * 1024, "\U0001f41f" * 512),
)
BLOBS: Final = [
    Blob(name, name.encode() + bytes(range(256)), METADATA)
    for name in (*ODD_NAMES, *pieces(characters(step=211), 100))
]
# No line ends: the client for JavaScript drops line feeds before it sends, and XML makes one of
# a carriage return.
TEXT: Final = f"<a>&amp; ]]> \t {characters(step=5)}"
QUEUES: Final = {
    name: Queue([*pieces(TEXT, 12_000)][:32], METADATA) for name in ("abc", "a-1-b", "0" * 63)
}


class PythonClient:
    """The clients of ``azure-storage-blob`` and ``azure-storage-queue`` that block."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string

    def _container(self, name: str) -> Any:
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_connection_string(self._connection_string, name)

    def _queue(self, name: str) -> Any:
        from azure.storage.queue import QueueClient

        return QueueClient.from_connection_string(self._connection_string, name)

    async def write_blobs(self, container: str, blobs: Sequence[Blob]) -> None:
        with self._container(container) as client:
            client.create_container()
            for blob in blobs:
                client.upload_blob(blob.name, blob.content, metadata=blob.metadata)

    async def read_blobs(self, container: str) -> list[Blob]:
        with self._container(container) as client:
            listed = list(client.list_blobs(include=["metadata"]))
            return [
                Blob(blob.name, client.download_blob(blob.name).readall(), blob.metadata)
                for blob in listed
                if client.get_blob_client(blob.name).get_blob_properties().metadata == blob.metadata
            ]

    async def write_queue(self, name: str, queue: Queue) -> None:
        with self._queue(name) as client:
            client.create_queue(metadata=queue.metadata)
            for text in queue.texts:
                client.send_message(text)

    async def read_queue(self, name: str) -> Queue:
        with self._queue(name) as client:
            found = client.peek_messages(max_messages=32)
            metadata = client.get_queue_properties().metadata
            return Queue([message.content for message in found], metadata)


class AsyncioClient:
    """The clients of the same packages for asyncio."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string

    def _container(self, name: str) -> Any:
        from azure.storage.blob.aio import ContainerClient

        return ContainerClient.from_connection_string(self._connection_string, name)

    def _queue(self, name: str) -> Any:
        from azure.storage.queue.aio import QueueClient

        return QueueClient.from_connection_string(self._connection_string, name)

    async def write_blobs(self, container: str, blobs: Sequence[Blob]) -> None:
        async with self._container(container) as client:
            await client.create_container()
            for blob in blobs:
                await client.upload_blob(blob.name, blob.content, metadata=blob.metadata)

    async def read_blobs(self, container: str) -> list[Blob]:
        async with self._container(container) as client:
            found = []
            async for blob in client.list_blobs(include=["metadata"]):
                stream = await client.download_blob(blob.name)
                assert stream.properties.metadata == blob.metadata
                found.append(Blob(blob.name, await stream.readall(), blob.metadata))
            return found

    async def write_queue(self, name: str, queue: Queue) -> None:
        async with self._queue(name) as client:
            await client.create_queue(metadata=queue.metadata)
            for text in queue.texts:
                await client.send_message(text)

    async def read_queue(self, name: str) -> Queue:
        async with self._queue(name) as client:
            found = await client.peek_messages(max_messages=32)
            properties = await client.get_queue_properties()
            return Queue([message.content for message in found], properties.metadata)


class JavaScriptClient:
    """``@azure/storage-blob`` and ``@azure/storage-queue`` in a program for Node.js."""

    def __init__(self, connection_string: str, node: Command) -> None:
        self._connection_string = connection_string
        self._node = node

    def _run(self, *arguments: str, given: Any = None) -> Any:
        program = (PROGRAM, self._connection_string, *arguments)
        return json.loads(self._node(*program, stdin=json.dumps(given)))

    async def write_blobs(self, container: str, blobs: Sequence[Blob]) -> None:
        given = [
            {**vars(blob), "content": b64encode(blob.content).decode("ascii")} for blob in blobs
        ]
        self._run("blobs", "write", container, given=given)

    async def read_blobs(self, container: str) -> list[Blob]:
        found = self._run("blobs", "read", container)
        assert all(blob["listed"] == blob["metadata"] for blob in found)
        return [Blob(b["name"], b64decode(b["content"]), b["metadata"]) for b in found]

    async def write_queue(self, name: str, queue: Queue) -> None:
        self._run("queues", "write", name, given=vars(queue))

    async def read_queue(self, name: str) -> Queue:
        return Queue(**self._run("queues", "read", name))


@pytest.fixture
def clients(account: Account, find_command: FindCommand) -> dict[str, Client]:
    """Those that are here."""
    found: dict[str, Client] = {
        "python": PythonClient(account.connection_string),
        "asyncio": AsyncioClient(account.connection_string),
    }
    modules = os.environ.get("TRIGGERFISH_NODE_MODULES", "")
    if (Path(modules) / "@azure/storage-queue").is_dir():
        node = find_command("node", "apt-get install nodejs", {"NODE_PATH": modules})
        found["javascript"] = JavaScriptClient(account.connection_string, node)
    return found


@pytest.fixture(params=["python", "asyncio", "javascript"])
def writer(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    if request.param not in clients:
        pytest.skip(f"TRIGGERFISH_NODE_MODULES names no folder with them: {INSTALL}")
    return clients[request.param]


async def test_every_client_reads_the_blobs_that_another_one_wrote(
    clients: dict[str, Client], writer: Client
) -> None:
    expected = sorted(BLOBS, key=lambda blob: blob.name)

    await writer.write_blobs("box", BLOBS)

    for name, reader in clients.items():
        assert await reader.read_blobs("box") == expected, name


async def test_every_client_reads_the_messages_that_another_one_wrote(
    clients: dict[str, Client], writer: Client
) -> None:
    for name, queue in QUEUES.items():
        await writer.write_queue(name, queue)

    for reader in clients.values():
        assert {name: await reader.read_queue(name) for name in QUEUES} == QUEUES
