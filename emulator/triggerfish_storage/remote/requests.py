"""Requests to an account from code that waits for each answer, as exports and imports do.

One event loop of our own runs underneath; ``send_all`` lets several requests share it. What
goes wrong leaves as a TransferError, but for ``RequestFailed``, where the caller knows what a
refusal means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from triggerfish_storage.connection_string import (
    Connection,
    ConnectionStringError,
    parse_connection_string,
)
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.signed_requests import (
    Answer,
    Request,
    RequestFailed,
    SignedRequests,
    signing,
)
from triggerfish_storage.transfer.failure import TransferError

PIECE_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 16  # requests

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Requests:
    """An account that can be asked; open one with ``reached``."""

    _connection: Connection
    _requests: SignedRequests
    _runner: asyncio.Runner
    remarks: list[str] = field(default_factory=list)  # what was left out, for people
    _streams: WeakSet[Generator[bytes, None, None]] = field(default_factory=WeakSet)

    @property
    def account(self) -> str:
        """The account's name, as far as the connection string tells it."""
        url = urlsplit(next(iter(self._connection.endpoints.values())))
        by_url = url.path.strip("/") or (url.hostname or "").partition(".")[0]
        return self._connection.account or by_url

    def endpoint(self, service: ServiceName) -> str:
        """Return a service's URL; raises ConnectionStringError where none is named."""
        return self._connection.endpoint(service)

    def remark(self, text: str) -> None:
        """Say what was left out; the same is said once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def send(self, request: Request) -> Answer:
        """Return the answer; raises RequestFailed for whatever is no success."""
        return self._run(self._requests.send(request))

    def send_all(self, requests: Sequence[Request]) -> list[Answer | RequestFailed]:
        """Send up to ``AT_ONCE`` requests side by side; return their answers, in order."""
        return self._run(self._all(requests))

    def stream(self, request: Request) -> Iterator[bytes]:
        """Give a body in pieces, in constant memory; no more of them once the account is left."""
        pieces = self._pieces(request)
        self._streams.add(pieces)
        return pieces

    def _pieces(self, request: Request) -> Generator[bytes, None, None]:
        opening = self._requests.opened(request)
        answer = self._run(opening.__aenter__())
        try:
            while piece := self._run(answer.read(PIECE_BYTES)):
                yield piece
        finally:
            self._run(opening.__aexit__(None, None, None))

    def pages(self, request: Request, root: str = "EnumerationResults") -> Iterator[xml.Element]:
        """Give the documents of a listing, page by page; ``root`` is the element around each."""
        marker = ""
        while True:
            query = {**request.query, **({"marker": marker} if marker else {})}
            page = self.send(request._replace(query=query))
            document = xml.parse(page.body.removeprefix(b"\xef\xbb\xbf"), root)
            yield document
            marker = document.child_text("NextMarker", "")
            if not marker:
                return

    async def _all(self, requests: Sequence[Request]) -> list[Answer | RequestFailed]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(request)) for request in requests]
        return [task.result() for task in tasks]

    async def _one(self, request: Request) -> Answer | RequestFailed:
        try:
            return await self._requests.send(request)
        except RequestFailed as error:
            return error

    def end_streams(self) -> None:
        """End what is read in the middle, while there is a loop to end it on."""
        for pieces in list(self._streams):
            pieces.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


@contextmanager
def reached(connection_string: str) -> Iterator[Requests]:
    """Give the account of a connection string; raises TransferError for all that fails."""
    try:
        connection = parse_connection_string(connection_string)
        with asyncio.Runner() as runner:
            opening = signing(connection)
            requests = Requests(connection, runner.run(opening.__aenter__()), runner)
            try:
                yield requests
            finally:
                requests.end_streams()
                runner.run(opening.__aexit__(None, None, None))
    except (ConnectionStringError, RequestFailed, StorageError) as error:
        raise TransferError(str(error)) from error
