"""Whatever is asked, the answer is well-formed and never an internal error.

Requests are made from the operation tables and then spoilt; the seeds are fixed, so that a
failure comes back.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.protocol.operations import Operation
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS

if TYPE_CHECKING:
    from conftest import Raw

REQUESTS: Final = 100
MAY_BE_MISSING: Final = {501, 503}  # NotImplemented and ServerBusy are answers, not bugs

VALUES: Final = (
    *("", "0", "1", "-1", "7", "33", "5001", "99999999999999999999", "1.5", "true", "false", "x"),
    *("é", "🐟", "\x00", "\x7f", "a" * 3000, "../..", "%", "'", '"', "<a>", "list", "metadata"),
    *("bytes=0-", "bytes=5-1", "bytes=-1", "bytes=0-9223372036854775807", "*", '"0x8D"', 'W/"a"'),
    *("AAAA", "====", "YQ==", "2024-05-01T12:00:00Z", "Wed, 01 May 2024 12:00:00 GMT"),
    *(
        "00000000-0000-0000-0000-000000000001",
        "acquire",
        "break",
        "committed,snapshots",
        "http://h/",
    ),
)
NAMES: Final = ("orders", "uploads", "missing", "a/b c", "$root", "é", "x" * 300, "..", "%2e")
QUERY: Final = (
    *("comp", "restype", "prefix", "marker", "maxresults", "include", "delimiter", "timeout"),
    *("numofmessages", "visibilitytimeout", "messagettl", "popreceipt", "peekonly", "snapshot"),
    *("blockid", "blocklisttype", "versionid", "where", "showonly"),
)
HEADERS: Final = (
    *("range", "x-ms-range", "x-ms-range-get-content-md5", "if-match", "if-none-match"),
    *("if-modified-since", "if-unmodified-since", "x-ms-if-tags", "x-ms-lease-id"),
    *("x-ms-lease-action", "x-ms-lease-duration", "x-ms-lease-break-period", "x-ms-blob-type"),
    *("x-ms-proposed-lease-id", "x-ms-copy-source", "x-ms-blob-content-length", "content-md5"),
    *("x-ms-blob-content-md5", "x-ms-meta-a", "x-ms-meta-", "x-ms-tags", "x-ms-access-tier"),
    *("x-ms-delete-snapshots", "x-ms-page-write", "x-ms-blob-sequence-number", "x-ms-version"),
    *("x-ms-blob-condition-maxsize", "x-ms-blob-condition-appendpos", "x-ms-blob-public-access"),
)
BODIES: Final = (
    b"",
    b"hello",
    b"\x00\xff" * 100,
    b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>",
    b"<BlockList><Latest>YQ==</Latest></BlockList>",
    b"<BlockList><Latest>!</Latest><Other/></BlockList>",
    b"<SignedIdentifiers><SignedIdentifier><Id>a</Id></SignedIdentifier></SignedIdentifiers>",
    b"<StorageServiceProperties><Cors/></StorageServiceProperties>",
    b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"<a>" * 5000,
)


def spoilt(row: Operation[Any], chance: random.Random) -> tuple[str, str, dict[str, str], bytes]:
    """Return a request for ``row`` (method, target, headers, body) with some things wrong."""
    path = row.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + quote(chance.choice(NAMES), safe="/%") + path[end + 1 :]
    query = {name: "x" if value == "*" else value for name, value in row.query.items()}
    headers = {name: "x" if value == "*" else value for name, value in row.headers.items()}
    for _ in range(chance.randrange(4)):
        query[chance.choice(QUERY)] = chance.choice(VALUES)
    for _ in range(chance.randrange(4)):
        value = chance.choice(VALUES)
        headers[chance.choice(HEADERS)] = value.replace("\x00", "\x01").strip() or "x"
    method = row.method if chance.random() < 0.9 else chance.choice(("GET", "PUT", "POST", "PATCH"))
    raw = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return method, f"{path}?{raw}" if raw else path, headers, chance.choice(BODIES)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
@pytest.mark.parametrize("service", ["queue", "blob"])
async def test_a_spoilt_request_gets_a_documented_answer(
    queue: Raw, blob: Raw, service: str, seed: int
) -> None:
    client = queue if service == "queue" else blob
    operations: Any = QUEUE_OPERATIONS if service == "queue" else BLOB_OPERATIONS
    chance = random.Random(seed)
    await queue.request("PUT", "/orders")
    await blob.request("PUT", "/uploads?restype=container")

    for _ in range(REQUESTS):
        method, target, headers, body = spoilt(chance.choice(operations), chance)
        answer = await client.request(method, target, headers=headers, body=body)

        asked = (method, target, headers, body[:80])
        assert answer.status < 500 or answer.status in MAY_BE_MISSING, (asked, answer)
        if answer.status >= 400:
            assert answer.code, (asked, answer)
            if method != "HEAD":
                assert parse(answer.body, "Error").child_text("Code") == answer.code, asked


@pytest.mark.parametrize("seed", range(3))
async def test_a_spoilt_byte_never_ends_the_server(queue: Raw, seed: int) -> None:
    chance = random.Random(seed)
    whole = queue.build(
        "POST",
        "/orders/messages?messagettl=60",
        body=BODIES[3],
        headers={"x-ms-version": "2021-12-02"},
    )
    await queue.request("PUT", "/orders")

    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
        writer.write(bytes(data))
        writer.write_eof()
        await reader.read()
        writer.close()

    assert (await queue.request("GET", "/?comp=list")).status == 200
