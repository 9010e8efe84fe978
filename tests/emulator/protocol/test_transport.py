"""How connections behave, whatever is served on them: order, back-pressure, time, and the end."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from triggerfish_storage.content_files import Reading, Stretch
from triggerfish_storage.protocol import connection, http
from triggerfish_storage.protocol.http import serve_endpoint
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.outlet import Outlet
from triggerfish_storage.protocol.steps import Incoming, Outgoing

Answer = Callable[[Incoming], Awaitable[Reply]]
LARGE = bytes(range(256)) * 32_768  # 8 MiB: more than sockets hold


class Fake:
    """An endpoint that answers as a test says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def answer(self, incoming: Incoming) -> Outgoing:
        reply = await self._answer(incoming)
        length = reply.length
        if length is None and isinstance(reply.body, bytes):
            length = len(reply.body)
        head = f"HTTP/1.1 {reply.status} X\r\nkeeps: {incoming.keeps_alive}\r\n"
        head += "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        return Outgoing(head.encode() + b"\r\n\r\n", reply)

    def malformed(self, incoming: Incoming, problem: str) -> Outgoing:
        body = problem.encode()
        return Outgoing(b"HTTP/1.1 400 X\r\ncontent-length: %d\r\n\r\n" % len(body), Reply(0, body))


@asynccontextmanager
async def serving(answer: Answer, **options: Any) -> AsyncIterator[int]:
    endpoint: Any = Fake(answer)
    async with serve_endpoint(endpoint, address="127.0.0.1", port=0, **options) as port:
        yield port


async def echo(incoming: Incoming) -> Reply:
    return Reply(200, incoming.target.encode() + await incoming.body.read(100_000_000))


async def talk(port: int, data: bytes, **options: Any) -> bytes:
    """Send these bytes, and return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        writer.write(data)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        await gone(writer)


async def gone(writer: asyncio.StreamWriter) -> None:
    """Close, and wait for that."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def get(target: str, *, headers: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nhost: h\r\n{headers}\r\n".encode()


def last(target: str) -> bytes:
    return get(target, headers="connection: close\r\n")


def bodies(data: bytes) -> list[bytes]:
    """Return the bodies of answers that have a length."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        match = re.search(rb"content-length: (\d+)", head)
        assert match is not None, head
        found.append(data[: int(match[1])])
        data = data[int(match[1]) :]
    return found


# --- order ------------------------------------------------------------------------------------


class Written(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def test_small_answers_are_sent_behind_the_turn_in_which_they_were_made() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.write(b"two ", b"2")
    assert transport.data == []

    await asyncio.sleep(0)
    assert transport.data == [b"one 1two 2"]


async def test_a_large_answer_is_sent_behind_the_small_ones_before_it() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.write(b"two ", LARGE)

    assert transport.data == [b"one 1", b"two ", LARGE]


async def test_nothing_is_sent_to_a_client_that_left_meanwhile() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.lose()
    await asyncio.sleep(0)

    assert transport.data == []


async def test_pipelined_requests_are_answered_in_order_however_many_there_are() -> None:
    async def answer(incoming: Incoming) -> Reply:
        if incoming.target.endswith("0"):
            await asyncio.sleep(0)  # some take longer
        return await echo(incoming)

    async with serving(answer) as port:
        received = await talk(port, b"".join(get(f"/{n}") for n in range(500)) + last("/last"))

    assert bodies(received) == [*(b"/%d" % n for n in range(500)), b"/last"]


async def test_a_client_that_asks_ahead_without_reading_has_to_wait() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, b"x")

    async with serving(answer) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await entered_after(writer, get("/"), entered)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    writer.write(get("/" + "x" * 8000) * 100)
                    await writer.drain()
        go_on.set()
        await gone(writer)
        await gone(writer)


async def entered_after(writer: asyncio.StreamWriter, data: bytes, entered: asyncio.Event) -> None:
    writer.write(data)
    async with asyncio.timeout(20):
        await entered.wait()


async def test_a_malformed_request_is_refused_behind_the_answers_before_it() -> None:
    async with serving(echo) as port:
        received = await talk(port, get("/one") + get("/two") + b"nonsense\r\n\r\n" + get("/never"))

    assert bodies(received)[:2] == [b"/one", b"/two"]
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.count(b"HTTP/1.1 400") == 1


async def test_an_old_client_is_told_by_the_end_that_all_is_here() -> None:
    async with serving(echo) as port:
        received = await talk(port, b"GET /old HTTP/1.0\r\n\r\n")

    assert bodies(received) == [b"/old"]
    assert b"keeps: False" in received


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 300_000, 5_000_000])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_bodies_arrive_whole_and_leave_the_next_request_alone(
    size: int, scheme: str, tls: ssl.SSLContext, certificate: Path
) -> None:
    body = LARGE[:size]
    put = b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + body
    chunked = b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    chunked += b"%x\r\n%b\r\n" % (size, body) if size else b""
    chunked += b"0\r\n\r\n"

    trusted = ssl.create_default_context(cafile=str(certificate))
    options = {"ssl": trusted, "server_hostname": "localhost"} if scheme == "https" else {}
    async with serving(echo, **({"tls": tls} if scheme == "https" else {})) as port:
        received = await talk(port, put + chunked + put + last("/last"), **options)

    assert bodies(received) == [b"/" + body] * 3 + [b"/last"]


async def test_a_sender_waits_for_a_slow_reader() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        size = 0
        async for piece in incoming.body.chunks():
            size += len(piece)
        return Reply(200, b"%d" % size)

    size = 100_000_000
    async with serving(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"PUT / HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
        await entered_after(writer, head, entered)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                for _ in range(size // 1_000_000):
                    writer.write(bytes(1_000_000))
                    sent += 1_000_000
                    await writer.drain()
        go_on.set()
        while sent < size:
            writer.write(bytes(1_000_000))
            sent += 1_000_000
            await writer.drain()
        received = await reader.read()
        await gone(writer)

    assert bodies(received) == [b"100000000"]


async def test_a_body_that_nobody_reads_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(incoming: Incoming) -> Reply:
        return Reply(403, b"no")

    put = b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(LARGE) + LARGE
    async with serving(refuse) as port:
        received = await talk(port, put + put + last("/"))

    assert bodies(received) == [b"no"] * 3


async def test_a_refused_client_that_never_stops_reads_why_before_it_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.05)

    async def refuse(incoming: Incoming) -> Reply:
        return Reply(403, b"no")

    async with serving(refuse) as port:
        received = await talk(port, b"PUT / HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\nx")

    assert bodies(received) == [b"no"]


async def test_a_client_that_waits_to_be_told_is_not_told_after_it_was_refused() -> None:
    async def refuse(incoming: Incoming) -> Reply:
        return Reply(413, b"no")

    expecting = b"PUT / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    async with serving(refuse) as port:
        received = await talk(port, expecting)

    assert bodies(received) == [b"no"]
    assert b"100 Continue" not in received


async def test_one_client_that_asks_ahead_does_not_keep_others_waiting() -> None:
    order: list[str] = []

    async def answer(incoming: Incoming) -> Reply:
        order.append(incoming.target)
        return Reply(200, b"x")

    async with serving(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(get("/ahead") for _ in range(1000)) + last("/ahead"))
        await talk(port, last("/other"))
        await reader.read()
        await gone(writer)

    assert order.index("/other") < 900


async def test_a_client_that_only_reads_from_now_on_gets_its_answer() -> None:
    async with serving(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/one") + get("/two"))
        writer.write_eof()
        received = await reader.read()
        await gone(writer)

    assert bodies(received) == [b"/one", b"/two"]


async def test_a_request_to_change_the_protocol_is_answered_in_this_one() -> None:
    upgrade = "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n"
    put = f"PUT /put HTTP/1.1\r\n{upgrade}content-length: 3\r\n\r\nabc".encode()
    async with serving(echo) as port:
        received = await talk(port, get("/one", headers=upgrade) + put + last("/last"))

    assert bodies(received) == [b"/one", b"/putabc", b"/last"]


# --- answers ----------------------------------------------------------------------------------


async def pieces_of(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, pieces_of(b"hello world", 4))

    async with serving(answer) as port:
        received = await talk(port, last("/"))

    assert received.endswith(b"4\r\nhell\r\n4\r\no wo\r\n3\r\nrld\r\n0\r\n\r\n")


def written(folder: Path, data: bytes) -> Path:
    file = folder / "content"
    file.write_bytes(data)
    return file


def reading(*stretches: bytes | Stretch) -> Reading:
    async def give() -> Any:
        for stretch in stretches:
            yield stretch

    return Reading(give())


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_lies_in_files_comes_in_order_with_the_rest(
    tmp_path: Path, scheme: str, tls: ssl.SSLContext, certificate: Path
) -> None:
    file = written(tmp_path, LARGE)

    async def answer(incoming: Incoming) -> Reply:
        if incoming.target != "/file":
            return await echo(incoming)
        body = reading(b"begin", Stretch(file, 0, len(LARGE)), b"", Stretch(file, 7, 3), b"end")
        return Reply(200, body, length=len(LARGE) + 11)

    trusted = ssl.create_default_context(cafile=str(certificate))
    options = {"ssl": trusted, "server_hostname": "localhost"} if scheme == "https" else {}
    requests = get("/one") + get("/file") + get("/two") + get("/file") + last("/last")
    async with serving(answer, **({"tls": tls} if scheme == "https" else {})) as port:
        received = await talk(port, requests, **options)

    expected = b"begin" + LARGE + LARGE[7:10] + b"end"
    assert bodies(received) == [b"/one", expected, b"/two", expected, b"/last"]


async def test_a_file_that_lost_its_end_breaks_the_answer_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path, b"short")

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, reading(Stretch(file, 0, 1000)), length=1000)

    async with serving(answer) as port:
        received = await talk(port, get("/"))

    assert received.startswith(b"HTTP/1.1 200")
    assert "broke off" in caplog.text


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"part"
        raise ZeroDivisionError

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, broken())

    async with serving(answer) as port:
        received = await talk(port, get("/"))

    assert received.endswith(b"4\r\npart\r\n")
    assert "broke off" in caplog.text


async def test_a_stream_waits_for_its_client_and_ends_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given, closed = 0, asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        try:
            while True:
                given += 1
                yield bytes(1_000_000)
        finally:
            closed.set()

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, endless())

    async with serving(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(get("/"))
        await reader.readline()
        before = -1
        while before != given:  # until it stands still
            before = given
            assert (await talk(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
        await gone(writer)
        await gone(writer)
        async with asyncio.timeout(20):
            await closed.wait()

    assert given < 50
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_answers_wait_for_a_client_that_asks_ahead_and_does_not_read() -> None:
    answered = 0

    async def answer(incoming: Incoming) -> Reply:
        nonlocal answered
        answered += 1
        return Reply(200, bytes(1_000_000))

    async with serving(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(get("/") * 500)
        await reader.readline()
        before = -1
        while before != answered:  # until it stands still
            before = answered
            assert (await talk(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
        writer.transport.abort()
        await gone(writer)

    assert answered < 50


# --- time -------------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)

    async with serving(echo) as port:
        received = await talk(port, get("/one"))

    assert bodies(received) == [b"/one"]


async def test_a_request_in_work_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.01)

    go_on = asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        await go_on.wait()
        return Reply(200, b"late")

    async with serving(answer) as port:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert bodies(await talk(port, last("/"))) == [b"late"]


async def test_a_head_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.01)

    async with serving(echo) as port:
        received = await talk(port, b"GET / HTTP/1.1\r\nhost")

    assert received.startswith(b"HTTP/1.1 400")
    assert b"did not arrive in 0.01 seconds" in received


# --- the end ----------------------------------------------------------------------------------


async def test_at_the_end_idle_clients_are_not_waited_for() -> None:
    async with asyncio.timeout(5):
        async with serving(echo) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(get("/one"))
            await reader.readuntil(b"/one")
        assert await reader.read() == b""
        await gone(writer)


async def test_at_the_end_a_client_is_told_that_its_answer_is_the_last() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, b"done")

    async with asyncio.TaskGroup() as group:
        async with serving(answer) as port:
            task = group.create_task(talk(port, get("/one") + get("/two")))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.02, go_on.set)
        received = await task

    assert bodies(received) == [b"done"]
    assert b"keeps: False" in received


async def test_at_the_end_what_does_not_finish_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "DRAIN_SECONDS", 0.01)
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async with serving(answer) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await entered_after(writer, get("/"), entered)

    assert cancelled.is_set()
    await gone(writer)
