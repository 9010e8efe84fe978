"""Bodies of requests arrive whole, as fast as they are read, or are thrown away."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import connection
from triggerfish_storage.protocol.body import Body
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.steps import Incoming

if TYPE_CHECKING:
    from conftest import Serving

LARGE = bytes(range(256)) * 32_768  # 8 MiB: more than sockets hold


@pytest.mark.parametrize("size", [0, 1, 300_000, 5_000_000])
async def test_bodies_arrive_whole_and_leave_the_next_request_alone(
    serving_either: Serving, size: int
) -> None:
    body = LARGE[:size]
    put = b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + body
    chunked = b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    chunked += b"%x\r\n%b\r\n" % (size, body) if size else b""
    chunked += b"0\r\n\r\n"

    async with serving_either() as server:
        received = await server.talk(put, chunked, put, server.last("/last"))

    assert received.bodies == [b"/" + body] * 3 + [b"/last"]


async def test_a_sender_waits_for_a_slow_reader(serving: Serving) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        size = 0
        async for piece in incoming.body.chunks():
            size += len(piece)
        return Reply(200, b"%d" % size)

    size = 100_000_000
    async with serving(answer) as server, server.connected() as (reader, writer):
        head = b"PUT / HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
        await server.enter(writer, head, entered)
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
        received = await server.rest(reader)

    assert received.bodies == [b"100000000"]


async def test_a_body_that_nobody_reads_is_thrown_away(serving: Serving) -> None:
    async def refuse(incoming: Incoming) -> Reply:
        return Reply(403, b"no")

    put = b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(LARGE) + LARGE
    async with serving(refuse) as server:
        received = await server.talk(put, put, server.last("/"))

    assert received.bodies == [b"no"] * 3


async def test_a_refused_client_that_never_stops_reads_why_before_it_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.05)

    async def refuse(incoming: Incoming) -> Reply:
        return Reply(403, b"no")

    async with serving(refuse) as server:
        received = await server.talk(b"PUT / HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\nx")

    assert received.bodies == [b"no"]


async def test_a_client_that_waits_to_be_told_is_not_told_after_it_was_refused(
    serving: Serving,
) -> None:
    async def refuse(incoming: Incoming) -> Reply:
        return Reply(413, b"no")

    expecting = b"PUT / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    async with serving(refuse) as server:
        received = await server.talk(expecting)

    assert received.bodies == [b"no"]
    assert b"100 Continue" not in received


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("sent", [1, 100_000, 200_000])
async def test_nothing_is_kept_of_a_client_that_left(
    serving: Serving, sent: int, reads: bool
) -> None:
    entered = asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        with suppress(StorageError, ConnectionError):
            if reads:
                await incoming.body.read(1_000_000)
        return Reply(200, b"")

    gc.collect()
    gc.disable()  # it would find cycles, but a program that serves seldom looks for them
    try:
        async with serving(answer) as server, server.connected() as (_, writer):
            head = b"PUT / HTTP/1.1\r\ncontent-length: 200000\r\n\r\n"
            await server.enter(writer, head + bytes(sent), entered)
        kept = [one for one in gc.get_objects() if isinstance(one, Body | connection.Connection)]
    finally:
        gc.enable()

    assert kept == []
