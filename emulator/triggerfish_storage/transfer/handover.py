"""How a command asks the process that owns a data folder to do what only the owner can.

The owner listens on a port of this machine's loopback. The port, and a key without which
nothing is done, are in a file of the data folder that only its user can read: whoever can ask
could have written the folder's files as well. A request and its answer are one line of JSON
each; before the answer come lines that tell how far it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from triggerfish_storage.data_folder import CONTROL_FILE
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.tally import Advance, unwatched

T = TypeVar("T")
Request = Mapping[str, Any]
Perform = Callable[[Request, Advance], Awaitable[Mapping[str, Any]]]

LOOPBACK: Final = "127.0.0.1"
LINE_LIMIT_BYTES: Final = 65536
ASK_SECONDS: Final = 10.0  # for a request to be sent whole
CONNECT_SECONDS: Final = 5.0
TELL_EVERY_SECONDS: Final = 0.1

_log = logging.getLogger("triggerfish_storage")


class NobodyAttends(Exception):  # noqa: N818 - a state
    """The owner of the folder takes no requests, or cannot be reached from here."""


@asynccontextmanager
async def attending(folder: Path, perform: Perform) -> AsyncIterator[None]:
    """Perform what others ask for, one after the other, until the end of the block.

    A TransferError of ``perform`` is what they are answered. Where the disk is full nobody can
    ask, and what is stored is served all the same.
    """
    attendant = _Attendant(perform)
    server = await asyncio.start_server(attendant.attend, LOOPBACK, 0, limit=LINE_LIMIT_BYTES)
    file = folder / CONTROL_FILE
    try:
        try:
            _publish(file, server.sockets[0].getsockname()[1], attendant.key)
        except OSError as error:
            _log.error("%s: other commands cannot reach this process: %s", folder, error)
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        server.close()
        await attendant.dismiss()


class _Attendant:
    """Does what whoever knows the ``key`` asks for, one request after the other."""

    def __init__(self, perform: Perform) -> None:
        self.key = secrets.token_hex(32)
        self._perform = perform
        self._turn = asyncio.Lock()
        self._asking: set[asyncio.Task[Any]] = set()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection: a request, or nothing for whoever does not know the key."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - every handler is one
        self._asking.add(task)
        try:
            request = await _read_request(reader, self.key)
            if request is not None:
                told = _Told(writer)
                told.begin()
                answer = await _while_there(reader, self._answer(request, told), told)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass  # whoever asked has gone
        except asyncio.CancelledError:
            pass  # dismissed, and at an end: asyncio's streams report a handler that says so
        finally:
            self._asking.discard(task)
            writer.close()

    async def _answer(self, request: Request, advance: Advance) -> Mapping[str, Any]:
        async with self._turn:
            try:
                return await self._perform(request, advance)
            except TransferError as error:
                return {"error": str(error)}

    async def dismiss(self) -> None:
        """End what is being done, and whoever waits for it."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)


def ask(folder: Path, request: Request, *, advance: Advance = unwatched) -> dict[str, Any]:
    """Have the owner of a data folder perform a request; return its answer.

    ``advance`` is told how far it is. Raises TransferError where the owner refuses, NobodyAttends
    where it takes no requests.
    """
    try:
        found = json.loads((folder / CONTROL_FILE).read_text(encoding="utf-8"))
        address, key = (LOOPBACK, int(found["port"])), str(found["key"])
        with socket.create_connection(address, timeout=CONNECT_SECONDS) as connection:
            connection.settimeout(None)  # it takes as long as it takes
            connection.sendall(json.dumps({**request, "key": key}).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = _read_answer(file, advance)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NobodyAttends(str(error)) from error
    if "error" in answer:
        raise TransferError(answer["error"])
    return answer


def _read_answer(file: IO[bytes], advance: Advance) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(file.readline())
    while "advance" in answer:
        advance(answer["advance"])
        try:
            answer = json.loads(file.readline())
        except (OSError, ValueError) as error:  # reset, or closed
            raise TransferError(
                "The process that has the folder ended before it was done. What it did not answer "
                "is done whole or not at all: look, and ask again."
            ) from error
    return answer


def _publish(file: Path, port: int, key: str) -> None:
    """Write the file so that it is whole, and nobody else's to read, from its first moment."""
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    unfinished.touch(mode=0o600, exist_ok=False)
    try:
        unfinished.write_text(json.dumps({"port": port, "key": key}), encoding="utf-8")
        unfinished.replace(file)
    except OSError:
        unfinished.unlink()
        raise


async def _read_request(reader: asyncio.StreamReader, key: str) -> Request | None:
    """Return what is asked for; None for whoever does not know the key."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            request = json.loads(await reader.readline())
        is_known = compare_digest(str(request["key"]).encode(), key.encode())
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return None
    return request if is_known else None


class _Told:
    """Tells whoever asked how far the work is, now and then; may be called on any thread.

    Once they have left it raises, so that work which is no statement of SQLite's ends, too.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._untold = 0
        self._told_at = time.monotonic()
        self.has_left = False

    def __call__(self, amount: int) -> None:
        if self.has_left:
            raise TransferError("whoever asked has left")
        self._untold += amount
        if time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            untold, self._untold, self._told_at = self._untold, 0, time.monotonic()
            self._loop.call_soon_threadsafe(self._send, untold)

    def begin(self) -> None:
        """Tell whoever asked that it is being done: who hears no more knows what happened."""
        self._send(0)

    def _send(self, amount: int) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"advance": amount}).encode() + b"\n")


async def _while_there(
    reader: asyncio.StreamReader, work: Coroutine[Any, Any, T], told: _Told
) -> T:
    """Do work for whoever sends no more; once they have left it is cancelled, and undone."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.has_left = True
        working.cancel()
        leaving.cancel()
        await asyncio.wait([working, leaving])
    if working.cancelled():
        raise ConnectionResetError("whoever asked has left")
    return working.result()
