"""Connections: kept, closed, slow, cut off and drained."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from azure.storage.queue import generate_account_sas

from triggerfish_storage.protocol import body
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.testing import START, storage_account

if TYPE_CHECKING:
    from conftest import Raw

LATER = START + timedelta(hours=1)
TEXT = b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>"


async def test_one_connection_serves_many_requests_and_pipelined_ones(queue: Raw) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(queue.build("PUT", "/orders") + queue.build("POST", "/orders/messages", body=TEXT))
    first, second = await queue.read(reader), await queue.read(reader)
    writer.write(queue.build("GET", "/orders/messages?peekonly=true"))
    third = await queue.read(reader)
    writer.close()

    assert [first.status, second.status, third.status] == [201, 201, 200]
    assert b"hello" in third.body


async def test_a_client_that_wants_to_close_is_obeyed(queue: Raw) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(queue.build("GET", "/?comp=list", headers={"Connection": "close"}))

    data = await reader.read()
    writer.close()

    assert b"\r\nConnection: close\r\n" in data


async def test_a_body_may_come_in_chunks(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    head_only = queue.build("POST", "/orders/messages", sign=False)
    sas = generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types="o", permission="a", expiry=LATER
    )
    data = head_only.replace(b"/messages ", f"/messages?{sas} ".encode())
    data = data.replace(b"content-length: 0", b"transfer-encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in TEXT) + b"0\r\n\r\n"

    answer = await queue.send(data + chunks)

    assert answer.status == 201


async def test_a_client_that_waits_is_told_to_continue(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT, headers={"Expect": "100-continue"})
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(data.removesuffix(TEXT))
    assert (await queue.read(reader)).status == 100
    writer.write(TEXT)

    assert (await queue.read(reader)).status == 201
    writer.close()


async def test_a_client_that_waits_for_a_refusal_need_not_send(queue: Raw) -> None:
    headers = {"Expect": "100-continue", "content-length": "999999999"}
    data = queue.build("POST", "/orders/messages", headers=headers)

    answer = await queue.send(data)

    assert (answer.status, answer.code) == (413, "RequestBodyTooLarge")


async def test_a_body_that_never_comes_is_not_waited_for_for_ever(
    queue: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.01)
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT)

    answer = await queue.send(data[:-5])

    assert (answer.status, answer.code) == (408, "RequestTimeout")


async def test_a_client_that_leaves_in_the_middle_harms_nobody(
    queue: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT)
    for length in range(10, len(data), 20):
        _, writer = await asyncio.open_connection("127.0.0.1", queue.port)
        writer.write(data[:length])
        writer.transport.abort()

    answer = await queue.request("GET", "/orders?comp=metadata")

    assert answer.headers["x-ms-approximate-messages-count"] == "0"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_is_in_work_is_finished_at_the_end(
    queue: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with storage_account() as served:
            store = type(served.account.queues)
            create = store.create

            async def slow(self: Any, *args: Any) -> bool:
                entered.set()
                await go_on.wait()
                return await create(self, *args)

            monkeypatch.setattr(store, "create", slow)
            ending = type(queue)(served.ports["queue"], "queue")
            task = group.create_task(ending.request("PUT", "/orders"))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert (await task).status == 201


async def test_names_are_decoded_once(blob: Raw) -> None:
    await blob.request("PUT", "/uploads?restype=container")
    headers = {"x-ms-blob-type": "BlockBlob"}
    names = ["a b", "100%", "a%2Fb", "ü/ö", "a+b", "q?x=1", "a#b", "..//x", "tail/"]
    for name in names:
        target = "/uploads/" + quote(name, safe="/")
        answer = await blob.request("PUT", target, headers=headers, body=name.encode())
        assert answer.status == 201, name

    for name in names:
        answer = await blob.request("GET", "/uploads/" + quote(name, safe=""))
        assert answer.body.decode() == name
