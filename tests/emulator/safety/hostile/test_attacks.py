"""Requests that are attacks: bombs, paths that lead out, floods, and clients that stop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from triggerfish_storage.signed_requests import Request

if TYPE_CHECKING:
    from conftest import Target

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
JSON: Final = {"content-type": "application/json"}
BLOCK_BLOB: Final = {"x-ms-blob-type": "BlockBlob"}
ENTITIES: Final = b"".join(
    b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"ha") for n in range(12)
)
BOMB: Final = b"<!DOCTYPE b [" + ENTITIES + b"]><QueueMessage>&e11;</QueueMessage>"
OUTSIDE: Final = b'<!DOCTYPE b [<!ENTITY e SYSTEM "file:///etc/passwd">]><BlockList>&e;</BlockList>'
PUT_MESSAGE: Final = Request("queue", "POST", "/orders/messages")
PUT_BLOCKS: Final = Request("blob", "PUT", "/data/block", {"comp": "blocklist"})
PUT_ENTITY: Final = Request("table", "PUT", "/people(PartitionKey='p',RowKey='r')", headers=JSON)
GET_BLOB: Final = Request("blob", "GET", "/data/block")
QUERY: Final = Request("table", "GET", "/people()")


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (PUT_MESSAGE._replace(body=BOMB), {400}),
        (PUT_BLOCKS._replace(body=OUTSIDE), {400}),
        (PUT_BLOCKS._replace(body=b"<BlockList>" + b"<Latest>YQ==</Latest>" * 60_000), {400}),
        (
            PUT_BLOCKS._replace(body=b"<BlockList>" + b"x&lt;" * 1_600_000 + b"</BlockList>"),
            {400, 201},
        ),
        (PUT_BLOCKS._replace(body=b"<a>" * 2_700_000), {400}),
        (PUT_BLOCKS._replace(body=b"<BlockList a='" + b"x" * 7_000_000 + b"'/>"), {400, 201}),
        (PUT_ENTITY._replace(body=b"[" * 1_000_000), {400}),
        (PUT_ENTITY._replace(body=b'{"a":' * 200_000), {400}),
        (PUT_ENTITY._replace(body=b'{"a":' + b"9" * 1_000_000 + b"}"), {400}),
        (PUT_ENTITY._replace(body=b'{"a":"' + b"\\ud800" * 5_000 + b'"}'), {204, 400}),
        (QUERY._replace(query={"$filter": "(" * 8_000}), {400}),
        (QUERY._replace(query={"$filter": "not " * 3_000 + "a eq 1"}), {200, 400}),
        (QUERY._replace(query={"$filter": "a eq 1 or " * 1_500 + "a eq 1"}), {200, 400}),
        (GET_BLOB._replace(headers={"x-ms-range": "bytes=" + "0-1," * 5_000}), {200, 206, 400}),
        (GET_BLOB._replace(headers={f"x-h{n}": "v" for n in range(200)}), {200}),
        (GET_BLOB._replace(headers={f"x-h{n}": "v" for n in range(20_000)}), {400, 431}),
        (GET_BLOB._replace(headers={"x-huge": "v" * 20_000_000}), {400, 431}),
        (GET_BLOB._replace(path="/data/" + "a/" * 15_000), {400, 404}),
        (GET_BLOB._replace(path="/data/" + "../" * 500 + "etc/passwd"), {400, 404}),
        (GET_BLOB._replace(path="/data/" + "%2e%2e%2f" * 100 + "etc%2fpasswd"), {400, 404}),
    ],
)
async def test_an_attack_is_refused(target: Target, request_: Request, allowed: set[int]) -> None:
    statuses = await target.statuses(request_)

    assert set(statuses) <= allowed
    assert await target.statuses(GET_BLOB) == [200]


def files_outside_contents(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "contents" not in path.parts}


async def test_a_blob_named_like_a_path_stays_in_its_container(
    tmp_path: Path, target: Target
) -> None:
    before = files_outside_contents(tmp_path)
    for name in ("%2e%2e%2f%2e%2e%2fescaped", "..%5c..%5cescaped", "%2fetc%2fescaped"):
        request = Request("blob", "PUT", f"/data/{name}", headers=BLOCK_BLOB)
        [status] = await target.statuses(request._replace(body=bytes(100_000)))
        assert status in (201, 400)

    assert files_outside_contents(tmp_path) == before
    await target.program.check_files()


async def test_clients_that_stop_in_the_middle_of_a_body_hold_up_nobody(target: Target) -> None:
    put = Request("blob", "PUT", "/data/slow", body=b"x" * 10, headers=BLOCK_BLOB)
    data = target.bytes_of(put, 50_000_000)
    writers = []
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", target.port_of(put))
        writer.write(data + bytes(100_000))
        writers.append(writer)

    assert await target.statuses(GET_BLOB) == [200]
    for number, writer in enumerate(writers):
        if number % 2:
            writer.transport.abort()
        else:
            writer.close()
    assert await target.statuses(put) == [201]
    assert await target.statuses(Request("blob", "GET", "/data/slow")) == [200]


async def test_clients_that_announce_much_and_send_little_cost_no_memory(target: Target) -> None:
    put = Request("blob", "PUT", "/data/slow", body=b"x", headers=BLOCK_BLOB)
    data = target.bytes_of(put, 50_000_000)
    writers = []
    for _ in range(400):
        _, writer = await asyncio.open_connection("127.0.0.1", target.port_of(put))
        writer.write(data)
        writers.append(writer)

    assert await target.statuses(GET_BLOB) == [200]
    target.check()
    for writer in writers:
        writer.transport.abort()


async def test_a_client_that_reads_nothing_costs_no_memory(target: Target) -> None:
    size = 40_000_000
    put = Request("blob", "PUT", "/data/large", headers=BLOCK_BLOB)
    assert await target.statuses(put._replace(body=bytes(size))) == [201]
    data = target.bytes_of(Request("blob", "GET", "/data/large"))
    idle = []
    for _ in range(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port_of(put), limit=1024)
        writer.write(data)
        await reader.readline()
        idle.append(writer)

    assert await target.statuses(GET_BLOB) == [200]
    target.check()
    for writer in idle:
        writer.transport.abort()
