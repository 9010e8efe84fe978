"""Clients that ask ahead: answered in order, made to wait, and no burden to others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.steps import Incoming

if TYPE_CHECKING:
    from conftest import Serving


async def test_pipelined_requests_are_answered_in_order_however_many_there_are(
    serving: Serving,
) -> None:
    async def answer(incoming: Incoming) -> Reply:
        if incoming.target.endswith("0"):
            await asyncio.sleep(0)  # some take longer
        return Reply(200, incoming.target.encode())

    async with serving(answer) as server:
        received = await server.talk(
            *(server.get(f"/{n}") for n in range(500)), server.last("/last")
        )

    assert received.bodies == [*(b"/%d" % n for n in range(500)), b"/last"]


async def test_a_client_that_asks_ahead_without_reading_has_to_wait(serving: Serving) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, b"x")

    async with serving(answer) as server, server.connected() as (_, writer):
        await server.enter(writer, server.get("/"), entered)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    writer.write(server.get("/" + "x" * 8000) * 100)
                    await writer.drain()
        go_on.set()


async def test_answers_wait_for_a_client_that_asks_ahead_and_does_not_read(
    serving: Serving,
) -> None:
    answered = 0

    async def answer(incoming: Incoming) -> Reply:
        nonlocal answered
        answered += 1
        return Reply(200, bytes(1_000_000))

    async with serving(answer) as server, server.connected(limit=1000) as (reader, writer):
        writer.write(server.get("/") * 500)
        await reader.readline()
        before = -1
        while before != answered:  # until it stands still
            before = answered
            assert (await server.talk(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
        writer.transport.abort()

    assert answered < 50


async def test_one_client_that_asks_ahead_does_not_keep_others_waiting(serving: Serving) -> None:
    order: list[str] = []

    async def answer(incoming: Incoming) -> Reply:
        order.append(incoming.target)
        return Reply(200, b"x")

    async with serving(answer) as server, server.connected() as (reader, writer):
        writer.write(server.get("/ahead") * 1000 + server.last("/ahead"))
        await server.talk(server.last("/other"))
        await reader.read()

    assert order.index("/other") < 900


async def test_a_malformed_request_is_refused_behind_the_answers_before_it(
    serving: Serving,
) -> None:
    async with serving() as server:
        received = await server.talk(
            server.get("/one"), server.get("/two"), b"nonsense\r\n\r\n", server.get("/never")
        )

    assert received.bodies[:2] == [b"/one", b"/two"]
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.count(b"HTTP/1.1 400") == 1


async def test_a_client_that_only_reads_from_now_on_gets_its_answer(serving: Serving) -> None:
    async with serving() as server, server.connected() as (reader, writer):
        writer.write(server.get("/one") + server.get("/two"))
        writer.write_eof()
        received = await server.rest(reader)

    assert received.bodies == [b"/one", b"/two"]


async def test_an_old_client_is_told_by_the_end_that_all_is_here(serving: Serving) -> None:
    async with serving() as server:
        received = await server.talk(b"GET /old HTTP/1.0\r\n\r\n")

    assert received.bodies == [b"/old"]
    assert b"keeps: False" in received


async def test_a_request_to_change_the_protocol_is_answered_in_this_one(serving: Serving) -> None:
    upgrade = "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n"
    put = f"PUT /put HTTP/1.1\r\n{upgrade}content-length: 3\r\n\r\nabc".encode()
    async with serving() as server:
        received = await server.talk(server.get("/one", headers=upgrade), put, server.last("/last"))

    assert received.bodies == [b"/one", b"/putabc", b"/last"]
