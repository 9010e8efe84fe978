"""When a connection ends: it is idle, its head does not come, or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.protocol import connection, http
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.steps import Incoming

if TYPE_CHECKING:
    from conftest import Server, Serving


async def test_an_idle_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)

    async with serving() as server:
        received = await server.talk(server.get("/one"))

    assert received.bodies == [b"/one"]


async def test_a_request_in_work_is_not_idle(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.01)

    go_on = asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        await go_on.wait()
        return Reply(200, b"late")

    async with serving(answer) as server:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert (await server.talk(server.last("/"))).bodies == [b"late"]


async def test_a_head_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.01)

    async with serving() as server:
        received = await server.talk(b"GET / HTTP/1.1\r\nhost")

    assert received.startswith(b"HTTP/1.1 400")
    assert b"did not arrive in 0.01 seconds" in received


async def test_a_head_that_the_server_does_not_read_on_has_all_time(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.01)
    monkeypatch.setattr(connection, "PIPELINED_LIMIT", 1)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, incoming.target.encode())

    async with serving(answer) as server, server.connected() as (reader, writer):
        ahead, last = b"".join(map(server.get, ("/1", "/2", "/3"))), server.last("/4")
        await server.enter(writer, ahead + last[:10], entered)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        writer.write(last[10:])
        assert (await server.rest(reader)).bodies == [b"/1", b"/2", b"/3", b"/4"]


async def test_at_the_end_idle_clients_are_not_waited_for(serving: Serving) -> None:
    async with asyncio.timeout(5), AsyncExitStack() as clients:
        async with serving() as server:
            reader, writer = await clients.enter_async_context(server.connected())
            writer.write(server.get("/one"))
            await reader.readuntil(b"/one")
        assert await reader.read() == b""


async def test_at_the_end_a_client_is_told_that_its_answer_is_the_last(serving: Serving) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, b"done")

    async with asyncio.TaskGroup() as group:
        async with serving(answer) as server:
            task = group.create_task(server.talk(server.get("/one") + server.get("/two")))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.02, go_on.set)
        received = await task

    assert received.bodies == [b"done"]
    assert b"keeps: False" in received


async def test_at_the_end_what_does_not_finish_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, serving: Serving
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

    async with AsyncExitStack() as clients:
        async with serving(answer) as server:
            _, writer = await clients.enter_async_context(server.connected())
            await server.enter(writer, server.get("/"), entered)

        assert cancelled.is_set()


async def test_at_the_end_no_port_takes_requests_while_another_one_finishes_its_own(
    listening: Callable[..., Awaitable[tuple[http.Listening, Server]]],
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def answer(incoming: Incoming) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply(200, b"done")

    (busy, server), (idle, _) = await listening(answer), await listening()
    async with server.connected() as (reader, writer), asyncio.TaskGroup() as group:
        await server.enter(writer, server.last("/"), entered)
        stopping = group.create_task(http.stop([busy, idle]))
        await asyncio.sleep(0)

        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", idle.port)
        assert not stopping.done()

        go_on.set()
        assert (await server.rest(reader)).bodies == [b"done"]
