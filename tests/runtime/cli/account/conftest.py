"""A storage account for commands to talk to, and a queue or container of each test's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli.main import triggerfish
from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.testing import storage_account

T = TypeVar("T")


class Server:
    """A storage account served by a thread, so that commands can use loops of their own."""

    def __init__(self, folder: Path, *, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self._tls = tls
        self.connection = ""
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with storage_account(self.folder, tls=self._tls) as served:
            self.connection = served.connection_string
            self._ready.set()
            await self._stopping.wait()

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def ask(self, use: Callable[[StorageClient], Coroutine[Any, Any, T]]) -> T:
        """Use the account as somebody else would."""

        async def with_client() -> T:
            async with connect(parse_connection_string(self.connection)) as client:
                return await use(client)

        return asyncio.run(with_client())

    def run(self, *arguments: str, **settings: Any) -> Result:
        """Run a command against the data folder, as beside a running host."""
        command = [*arguments, "--data", str(self.folder)]
        return CliRunner().invoke(triggerfish, command, **settings)

    def fill(self, queue: str, texts: Sequence[str]) -> None:
        async def put(client: StorageClient) -> None:
            await client.create_queue(queue)
            for text in texts:
                await client.put_message(queue, text)

        self.ask(put)

    def texts(self, queue: str) -> list[str]:
        """Return the first visible texts."""
        return [one.text for one in self.ask(lambda client: client.peek_messages(queue))]

    def count(self, queue: str) -> int:
        return self.ask(lambda client: client.count_messages(queue))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data")) as served:
        yield served


@pytest.fixture
def server_over_https(tmp_path: Path, tls: ssl.SSLContext) -> Iterator[Server]:
    with Server(tmp_path / "data", tls=tls) as served:
        yield served


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A queue or container of this test's own."""
    return f"q{abs(hash(request.node.name)):x}"
