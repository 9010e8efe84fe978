"""Requests that no client sends, to all three services of a running program.

They are made from the operation tables and then spoilt, or are attacks by themselves. Each is
answered at once with a documented error (or done, where it happens to make sense); nothing of
it is logged as a bug, and the program's memory stays within a bound.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS
from triggerfish_storage.tables.operations import OPERATIONS as TABLE_OPERATIONS

if TYPE_CHECKING:
    from conftest import Program, Run

EXAMPLES: Final = int(os.environ.get("TRIGGERFISH_FUZZ", "60"))
MEMORY_LIMIT_BYTES: Final = 250 * 1024 * 1024
ANSWER_SECONDS: Final = 20
JSON: Final = {"content-type": "application/json"}
OPERATIONS: Final = [
    *(("blob", row) for row in BLOB_OPERATIONS),
    *(("queue", row) for row in QUEUE_OPERATIONS),
    *(("table", row) for row in TABLE_OPERATIONS),
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 2 * EXAMPLES)]


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire; ``announced`` is a wrong length of its body."""

    service: ServiceName
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    announced: int | None = None


NAMES: Final = {
    "{container}": ["data", "data", "data", "missing", "$root", "A--", "..", "%2e%2e%2fetc"],
    "{queue}": ["orders", "orders", "orders", "missing", "-", "..%2f..%2fetc", "é"],
    "{message}": ["00000000-0000-0000-0000-000000000001", "x", "%00", "é"],
    "{table}": ["people", "people", "people", "missing", "Tables", "1", "$metadata", "%27"],
    "{keys}": [
        "PartitionKey='p',RowKey='r'",
        "PartitionKey='p',RowKey=''''",
        "'people'",
        "PartitionKey='%2F..%2F',RowKey='%00'",
        "PartitionKey='",
        "",
    ],
    "{blob...}": ["block", "append", "page", "../../etc/passwd", "%2e%2e/%2e%2e/x", "a%00b"],
    "{blob}": ["block", "append", "page", "%2e%2e%5c..%5cx", "%ff%fe", "x" * 2000],
}
TEXTS: Final = st.one_of(
    st.sampled_from(
        [
            *("", "0", "1", "-1", "32", "512", "5001", "4294967296", "9" * 19, "9" * 400, "1e9"),
            *("true", "false", "*", '"0x1"', 'W/"a"', "acquire", "break", "all", "include", "Hot"),
            *("bytes=0-511", "bytes=0-", "bytes=-5", "bytes=5-1", "bytes=0-1,3-4", "bytes=a-b"),
            *(f"bytes=0-{2**63}", f"bytes={2**63}-{2**64}", "bytes=", "YQ==", "YQ", "====", "%"),
            *("AAAAAAAAAAAAAAAAAAAAAA==", "Wed, 01 May 2024 12:00:00 GMT", "2024-05-01T12:00:00Z"),
            *("Wed, 99 May 99999 99:99:99 GMT", "9999-12-31T23:59:59.9999999Z", "0000-00-00"),
            *("a=b", "a = 'b'", "\"a\" > '1' AND", "PartitionKey eq 'p'", "(" * 500, "not " * 900),
            *("a eq datetime'9999-12-31T23:59:59-14:00'", "x lt 1e999", "x eq X'f'", "' or 1=1"),
            *("http://[", "http://127.0.0.1:1/devstoreaccount1/data/block", "file:///etc/passwd"),
            *("../../..", "1!4!YQ--", "1!0!", "2024-05-01T12:00:00.0000000Z", "x" * 5000, "{}"),
            *("multipart/mixed; boundary=b", "application/json;odata=fullmetadata", "%%", "a/b"),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30),
    st.integers(-(2**70), 2**70).map(str),
)
PARAMETERS: Final = (
    *("comp", "restype", "prefix", "delimiter", "marker", "maxresults", "include", "snapshot"),
    *("versionid", "prevsnapshot", "blockid", "blocklisttype", "where", "timeout", "copyid"),
    *("numofmessages", "visibilitytimeout", "messagettl", "popreceipt", "peekonly", "sv", "sig"),
    *("$filter", "$select", "$top", "$format", "nextpartitionkey", "nextrowkey", "nexttablename"),
)
HEADERS: Final = (
    *("range", "x-ms-range", "if-match", "if-none-match", "if-modified-since", "x-ms-if-tags"),
    *("x-ms-lease-id", "x-ms-lease-action", "x-ms-lease-duration", "x-ms-lease-break-period"),
    *("x-ms-proposed-lease-id", "x-ms-meta-a", "x-ms-meta-", "x-ms-tags", "x-ms-access-tier"),
    *("x-ms-blob-type", "x-ms-blob-content-length", "x-ms-blob-sequence-number", "content-md5"),
    *("x-ms-page-write", "x-ms-delete-snapshots", "x-ms-content-crc64", "x-ms-copy-source"),
    *("x-ms-source-range", "x-ms-legal-hold", "x-ms-blob-condition-appendpos", "content-type"),
    *("x-ms-blob-condition-maxsize", "x-ms-range-get-content-md5", "x-ms-version", "x-ms-date"),
    *("x-ms-immutability-policy-until-date", "x-ms-encryption-key", "x-http-method", "prefer"),
    *("accept", "origin", "access-control-request-method", "x-ms-client-request-id", "expect"),
    *("accept-encoding", "content-encoding", "transfer-encoding", "upgrade", "host", "cookie"),
)
DOCUMENTS: Final = [
    b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>",
    b"<BlockList><Latest>YQ==</Latest><Committed>YQ==</Committed></BlockList>",
    (
        b"<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy><Expiry>x</Expiry>"
        b"<Permission>zz</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
    ),
    (
        b"<StorageServiceProperties><Cors><CorsRule><AllowedOrigins>*</AllowedOrigins>"
        b"<MaxAgeInSeconds>x</MaxAgeInSeconds></CorsRule></Cors></StorageServiceProperties>"
    ),
    b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>",
    b"<KeyInfo><Start>2024-05-01T12:00:00Z</Start><Expiry>x</Expiry></KeyInfo>",
    b'{"PartitionKey":"p","RowKey":"r","Age":1,"Id@odata.type":"Edm.Int64","Id":"5"}',
    b'{"PartitionKey":"p","RowKey":"s","At@odata.type":"Edm.DateTime","At":"99999"}',
    b'{"TableName":"people"}',
    b'{"a":' * 2000,
    b"[" * 100_000,
    b"<a>" * 20_000,
    (
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
        b"Content-Type: application/http\r\n\r\n"
        b"PUT /people(PartitionKey='p',RowKey='r') HTTP/1.1\r\n"
        b"\r\n{}\r\n--c--\r\n--b--"
    ),
    (
        b"--b\r\nContent-Type: application/http\r\n\r\nDELETE /devstoreaccount1/data/x HTTP/1.1\r\n"
        b"\r\n\r\n--b--\r\n"
    ),
    bytes(512),
    b"",
]


@st.composite
def bodies(draw: Any) -> bytes:
    """A document that belongs somewhere, now and then with bytes that don't."""
    body = bytearray(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        if body:
            body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@st.composite
def requests(draw: Any) -> Request:
    """A request for some operation, with some things wrong."""
    service, row = draw(st.sampled_from(OPERATIONS))
    path = row.path
    for variable, names in NAMES.items():
        path = path.replace(variable, draw(st.sampled_from(names)))
    query = {name: draw(TEXTS) if value == "*" else value for name, value in row.query.items()}
    query |= draw(st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=1))
    headers = {name: draw(TEXTS) if value == "*" else value for name, value in row.headers.items()}
    headers |= draw(st.dictionaries(st.sampled_from(HEADERS), TEXTS, max_size=2))
    methods = [row.method] * 40 + ["GET", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "x"]
    body = draw(bodies())
    wrong = draw(st.sampled_from([None] * 30 + [len(body) + 1, max(0, len(body) - 1)]))
    return Request(
        service,
        draw(st.sampled_from(methods)),
        path,
        tuple(query.items()),
        tuple(headers.items()),
        body,
        wrong,
    )


class Target:
    """The program under attack."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log

    async def statuses(self, request: Request) -> list[int]:
        """Send a request on a connection of its own; return the status of each answer."""
        service, data = self.bytes_of(request)
        is_cut = request.announced is not None and request.announced > len(request.body)
        port = urlsplit(self.program.connection.endpoint(service)).port
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(data)
                if is_cut:
                    writer.write_eof()
                received = await reader.read()
            except ConnectionError:
                return []  # it answered what it understood and hung up on the rest
            finally:
                writer.close()
        lines = received.split(b"\r\n")
        return [int(line[9:12]) for line in lines if line.startswith(b"HTTP/1.1 ")]

    def bytes_of(self, request: Request) -> tuple[ServiceName, bytes]:
        connection = self.program.connection
        path = f"/{connection.account}{request.path}"
        path = quote(path, safe="/%$'(),=:;@!*+-._~")
        raw = "&".join(f"{quote(n, safe='$')}={quote(v, safe='')}" for n, v in request.query)
        length = len(request.body) if request.announced is None else request.announced
        headers = {
            "host": "127.0.0.1",
            "connection": "close",
            "x-ms-date": http_date(datetime.now(UTC)),
            "x-ms-version": "2021-12-02",
            **{name: value.strip() for name, value in request.headers},
            "content-length": str(length),
        }
        signed = Signed(request.method, connection.account, path, parse_query(raw), headers)
        headers["authorization"] = authorization(signed, connection.key, service=request.service)
        target = f"{path}?{raw}" if raw else path
        lines = [f"{request.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
        return request.service, "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body

    def check(self) -> None:
        """It is alive, has logged no bug, and has never held more than its share of memory."""
        assert self.program.process.returncode is None
        log = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in log, log[-3000:]
        assert "could not be stored" not in log, log[-3000:]
        assert self.program.memory_bytes() < MEMORY_LIMIT_BYTES


@pytest.fixture
async def target(tmp_path: Path, run: Run) -> AsyncIterator[Target]:
    async with run(tmp_path / "data") as program:
        async with program.client() as client:
            blob, xml = "/data", b"x" * 600
            for service, method, path, body, headers in (
                ("blob", "PUT", f"{blob}?restype=container", b"", {}),
                ("blob", "PUT", f"{blob}/block", xml, {"x-ms-blob-type": "BlockBlob"}),
                ("blob", "PUT", f"{blob}/append", b"", {"x-ms-blob-type": "AppendBlob"}),
                (
                    *("blob", "PUT", f"{blob}/page", b""),
                    {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "1024"},
                ),
                ("queue", "PUT", "/orders", b"", {}),
                ("queue", "POST", "/orders/messages", DOCUMENTS[0], {}),
                ("table", "POST", "/Tables", DOCUMENTS[8], JSON),
                ("table", "POST", "/people", DOCUMENTS[6], JSON),
            ):
                assert (await client.send(service, method, path, body, headers)).status == 201
        target = Target(program, tmp_path / "log.txt")
        yield target
        target.check()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=st.lists(requests(), min_size=10, max_size=30))
async def test_no_request_is_a_bug_hangs_or_fills_the_memory(
    target: Target, sent: list[Request]
) -> None:
    for request in sent:
        for status in await target.statuses(request):
            assert status < 500 or status == 501, request
    target.check()


ENTITIES: Final = b"".join(
    b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"ha") for n in range(12)
)
BOMB: Final = b"<!DOCTYPE b [" + ENTITIES + b"]><QueueMessage>&e11;</QueueMessage>"
OUTSIDE: Final = b'<!DOCTYPE b [<!ENTITY e SYSTEM "file:///etc/passwd">]><BlockList>&e;</BlockList>'
PUT_MESSAGE: Final = Request("queue", "POST", "/orders/messages")
PUT_BLOCKS: Final = Request("blob", "PUT", "/data/block", (("comp", "blocklist"),))
PUT_ENTITY: Final = Request(
    "table", "PUT", "/people(PartitionKey='p',RowKey='r')", (), tuple(JSON.items())
)
GET_BLOB: Final = Request("blob", "GET", "/data/block")
QUERY: Final = Request("table", "GET", "/people()")


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (replace(PUT_MESSAGE, body=BOMB), {400}),
        (replace(PUT_BLOCKS, body=OUTSIDE), {400}),
        (replace(PUT_BLOCKS, body=b"<BlockList>" + b"<Latest>YQ==</Latest>" * 60_000), {400}),
        (
            replace(PUT_BLOCKS, body=b"<BlockList>" + b"x&lt;" * 1_600_000 + b"</BlockList>"),
            {400, 201},
        ),
        (replace(PUT_BLOCKS, body=b"<a>" * 2_700_000), {400}),
        (replace(PUT_BLOCKS, body=b"<BlockList a='" + b"x" * 7_000_000 + b"'/>"), {400, 201}),
        (replace(PUT_ENTITY, body=b"[" * 1_000_000), {400}),
        (replace(PUT_ENTITY, body=b'{"a":' * 200_000), {400}),
        (replace(PUT_ENTITY, body=b'{"a":' + b"9" * 1_000_000 + b"}"), {400}),
        (replace(PUT_ENTITY, body=b'{"a":"' + b"\\ud800" * 5_000 + b'"}'), {204, 400}),
        (replace(QUERY, query=(("$filter", "(" * 8_000),)), {400}),
        (replace(QUERY, query=(("$filter", "not " * 3_000 + "a eq 1"),)), {200, 400}),
        (replace(QUERY, query=(("$filter", "a eq 1 or " * 1_500 + "a eq 1"),)), {200, 400}),
        (replace(GET_BLOB, headers=(("x-ms-range", "bytes=" + "0-1," * 5_000),)), {200, 206, 400}),
        (replace(GET_BLOB, headers=tuple((f"x-h{n}", "v") for n in range(200))), {200}),
        (replace(GET_BLOB, headers=tuple((f"x-h{n}", "v") for n in range(20_000))), {400, 431}),
        (replace(GET_BLOB, headers=(("x-huge", "v" * 20_000_000),)), {400, 431}),
        (replace(GET_BLOB, path="/data/" + "a/" * 15_000), {400, 404}),
        (replace(GET_BLOB, path="/data/" + "../" * 500 + "etc/passwd"), {400, 404}),
        (replace(GET_BLOB, path="/data/" + "%2e%2e%2f" * 100 + "etc%2fpasswd"), {400, 404}),
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
        request = Request("blob", "PUT", f"/data/{name}", (), (("x-ms-blob-type", "BlockBlob"),))
        [status] = await target.statuses(replace(request, body=bytes(100_000)))
        assert status in (201, 400)

    assert files_outside_contents(tmp_path) == before
    await target.program.check_files()


async def test_clients_that_stop_in_the_middle_of_a_body_hold_up_nobody(target: Target) -> None:
    put = Request("blob", "PUT", "/data/slow", (), (("x-ms-blob-type", "BlockBlob"),), b"x" * 10)
    service, data = target.bytes_of(replace(put, announced=50_000_000))
    port = urlsplit(target.program.connection.endpoint(service)).port
    writers = []
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data + bytes(100_000))
        writers.append(writer)

    assert await target.statuses(GET_BLOB) == [200]
    for number, writer in enumerate(writers):
        if number % 2:
            writer.transport.abort()
        else:
            writer.close()
    assert await target.statuses(replace(put, announced=None)) == [201]
    assert await target.statuses(Request("blob", "GET", "/data/slow")) == [200]


async def test_a_client_that_reads_nothing_costs_no_memory(target: Target) -> None:
    size = 40_000_000
    put = Request("blob", "PUT", "/data/large", (), (("x-ms-blob-type", "BlockBlob"),))
    assert await target.statuses(replace(put, body=bytes(size))) == [201]
    service, data = target.bytes_of(Request("blob", "GET", "/data/large"))
    port = urlsplit(target.program.connection.endpoint(service)).port
    idle = []
    for _ in range(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(data)
        await reader.readline()
        idle.append(writer)

    assert await target.statuses(GET_BLOB) == [200]
    target.check()
    for writer in idle:
        writer.transport.abort()
